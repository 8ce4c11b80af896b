"""The snapshot of the code: copied once per content, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit.snapshot import ROOT, code_files, take_snapshot
from stages.shared.errors import StagecoachError
from tests.jobs.made import write_tree


@pytest.fixture
def code(tmp_path: Path) -> Path:
    names = ["launch.py", "jobs/a.py", "stages/web/data/list.txt", "templates/sbatch/x.j2", "envs/local.yaml"]
    others = ["jobs/__pycache__/a.pyc", "stages/b.pyc", "tests/test_a.py", "README.md", "envs/.venv/bin/python"]
    write_tree(tmp_path / "code", {name: name for name in [*names, *others]})
    return tmp_path / "code"


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_parts_that_run_are_copied_and_nothing_else(code: Path, tmp_path: Path) -> None:
    folder = take_snapshot(RunPaths(tmp_path / "run"), code)
    assert tree(folder) == [
        "envs/local.yaml",
        "jobs/a.py",
        "launch.py",
        "stages/web/data/list.txt",
        "templates/sbatch/x.j2",
    ]


def test_the_same_code_is_copied_once(code: Path, tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run")
    first = take_snapshot(run, code)
    (code / "README.md").write_text("other words")
    os.utime(code / "launch.py", (1, 1))
    assert take_snapshot(run, code) == first
    assert [path.name for path in run.code.iterdir()] == [first.name]


def test_changed_code_is_another_snapshot_and_the_old_one_stays(code: Path, tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run")
    first = take_snapshot(run, code)
    (code / "jobs/a.py").write_text("changed")
    second = take_snapshot(run, code)
    assert second != first
    assert (first / "jobs/a.py").read_text() == "jobs/a.py"
    (code / "jobs/a.py").rename(code / "jobs/b.py")
    assert take_snapshot(run, code) not in (first, second), "a name is part of the content"


def test_a_snapshot_cut_short_is_never_taken_for_a_whole_one(code: Path, tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run")
    whole = take_snapshot(run, code)
    whole.rename(
        run.code / f".{whole.name}.{os.getpid()}"
    )  # as if killed before the rename, by a process of our number
    (run.code / f".{whole.name}.{os.getpid()}" / "launch.py").write_text("half")
    again = take_snapshot(run, code)
    assert (again / "launch.py").read_text() == "launch.py"
    assert len(tree(again)) == 5


def test_a_snapshot_of_this_code_runs(tmp_path: Path) -> None:
    folder = take_snapshot(RunPaths(tmp_path / "run"))
    assert Path("jobs/run/worker.py") in code_files()
    assert not any("__pycache__" in path.parts for path in code_files())
    probe = "import jobs.run.worker, jobs.run.attempt_end, stages.shared.contract as c; print(c.__file__)"
    done = subprocess.run([sys.executable, "-c", probe], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(folder)), "not from the working tree"
    assert not str(folder).startswith(str(ROOT))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "launch.py").write_text("evil"),
        lambda folder: (folder / "launch.py").unlink(),
        lambda folder: (folder / "re.py").write_text("evil"),  # would be imported in place of the library's
        lambda folder: (folder / "jobs").chmod(0o777),
        lambda folder: (folder / "jobs/a.py").chmod(0o666),
        lambda folder: ((folder / "jobs/a.py").unlink(), (folder / "jobs/a.py").symlink_to("/etc/passwd")),
    ],
)
def test_a_snapshot_that_was_changed_or_can_be_is_made_anew(
    code: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    run = RunPaths(tmp_path / "run")
    folder = take_snapshot(run, code)
    change(folder)
    assert take_snapshot(run, code) == folder
    assert (folder / "launch.py").read_text() == "launch.py"
    assert not (folder / "jobs/a.py").is_symlink()
    assert len(tree(folder)) == 5
    assert not any(path.stat().st_mode & 0o022 for path in (folder, *folder.rglob("*")))


def test_nobody_else_can_write_in_a_snapshot_whatever_the_umask(code: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = take_snapshot(RunPaths(tmp_path / "run"), code)
    finally:
        os.umask(before)
    assert not any(path.stat().st_mode & 0o022 for path in (folder, *folder.rglob("*")))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of another user")
def test_another_users_folder_in_the_place_of_the_code_is_never_run(code: Path, tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run")
    theirs = take_snapshot(run, code)
    os.chown(theirs, 1001, 1001)
    (theirs / "launch.py").write_text("evil")
    own = take_snapshot(run, code)
    assert own.name == f"{theirs.name}-0"
    assert (own / "launch.py").read_text() == "launch.py"
    assert take_snapshot(run, code) == own
    os.chown(own, 1001, 1001)
    with pytest.raises(StagecoachError, match="belongs to another user"):
        take_snapshot(run, code)
