"""The environment is made for real here, at the launcher's level: with pip, from wheels that it downloads once."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs import bootstrap, install, levels

ROOT = Path(__file__).resolve().parents[2]
PLAIN = getattr(sys, "_base_executable", sys.executable)
"""A Python without the pins: the one from which the tests' environment was made."""


def call(folder: Path | str, python: str = PLAIN, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [python, str(ROOT / "envs"), "launcher"]
    env = {**os.environ, "STAGECOACH_ENV": str(folder), **settings}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=1200)


@pytest.fixture(scope="module", autouse=True)
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Let every pip of these tests install from a folder of wheels, set by variables as a site's mirror would be."""
    folder = tmp_path_factory.mktemp("wheels")
    files = [f"--requirement={file}" for file in levels.requirement_files("launcher")]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        f"--dest={folder}",
        f"--constraint={levels.CONSTRAINTS}",
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot download the launcher's packages: {done.stderr.strip().splitlines()[-1]}")
    settings = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_COMPILE": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.delenv("PYTHONPATH", raising=False)
        yield settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mirror: dict[str, str]) -> Path:
    """Give an environment of the launcher's level, in a folder with a blank and a quote in its name."""
    folder = tmp_path_factory.mktemp("it's an") / "env"
    done = call(folder)
    assert done.returncode == 0, done.stderr
    return folder


def copy_of(made: Path, folder: Path) -> Path:
    return Path(shutil.copytree(made, folder, symlinks=True))


def imports(folder: Path, module: str) -> bool:
    command = [str(levels.python_of(folder)), "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_it_is_made_where_asked_and_is_light(made: Path) -> None:
    assert not levels.missing("launcher", levels.site_packages(made))
    assert imports(made, "submitit, jinja2, yaml, pydantic, rich")
    assert not imports(made, "torch")
    assert levels.is_complete(made, "launcher")
    assert not levels.is_complete(made, "stages")


def test_a_second_call_does_nothing(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    done = call(made, PIP_FIND_LINKS="/nowhere")
    assert (done.stdout, done.stderr) == (f"{made}/bin/python\n", "")
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before


def test_the_check_takes_milliseconds(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECOACH_ENV", str(made))
    times = []
    for _ in range(5):
        began = time.process_time()
        bootstrap.ensure("launcher")
        times.append(time.process_time() - began)
    assert min(times) < 0.05


def test_an_active_environment_with_the_pins_is_used(tmp_path: Path) -> None:
    if levels.missing("launcher", sys.path):
        pytest.skip("the tests run without the pins")
    done = call(tmp_path / "never made", python=sys.executable)
    assert done.stdout == f"{sys.executable}\n"
    assert not (tmp_path / "never made").exists()


def test_launch_goes_on_in_the_environment_whatever_python_it_was_called_with(made: Path, tmp_path: Path) -> None:
    command = [PLAIN, str(ROOT / "launch.py"), "status", "no such run", f"--runs={tmp_path}"]
    env = {**os.environ, "STAGECOACH_ENV": str(made), "PYTHONPATH": str(tmp_path)}
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise SystemExit('a package that is in the way of the pins')")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "no such run" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_environment_that_does_not_use_its_own_packages_is_not_entered_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ensure", lambda level: str(tmp_path / "bin" / "python"))
    monkeypatch.setenv(bootstrap.GUARD, str(tmp_path / "bin" / "python"))
    with pytest.raises(SystemExit, match="does not use its own packages"):
        bootstrap.reexec("launcher", ["status"])


def test_one_that_was_killed_midway_is_continued(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    env = {**os.environ, "STAGECOACH_ENV": str(folder)}
    command = [PLAIN, str(ROOT / "envs"), "launcher"]
    process = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    log = folder / install.LOG
    until = time.monotonic() + 600
    while not (log.exists() and "Installing collected" in log.read_text()):
        assert time.monotonic() < until, "pip never came to installing"
        time.sleep(0.01)
    while len(list(folder.glob("lib/*/site-packages/*.dist-info"))) < 5 and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not levels.is_complete(folder, "launcher")
    done = call(folder)
    assert done.returncode == 0, done.stderr
    assert not install.damaged(folder)
    assert imports(folder, "submitit, jinja2, yaml, pydantic, rich")


def test_damaged_packages_are_mended(made: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "env")
    site = Path(levels.site_packages(folder)[0])
    shutil.rmtree(next(site.glob("rich-*.dist-info")))  # noticed by its absence
    next(site.glob("[jJ]inja2-*.dist-info")).joinpath("RECORD").unlink()  # as pip leaves a package when it is killed
    (site / "submitit" / "__init__.py").unlink()
    (site / "~ydantic").mkdir()  # as pip leaves an uninstallation when it is killed
    done = call(folder)
    assert done.returncode == 0, done.stderr
    assert not install.damaged(folder)
    assert imports(folder, "submitit, jinja2, rich")


def test_a_broken_environment_is_made_again(made: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "env")
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python")  # its Python was removed from the machine
    done = call(folder)
    assert done.returncode == 0, done.stderr
    assert imports(folder, "rich")


def test_somebody_elses_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    done = call(tmp_path)
    assert done.returncode == 1
    assert "is not empty and no Python environment: set STAGECOACH_ENV" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_somebody_elses_broken_environment_is_not_remade(made: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "env")
    (folder / levels.MARK).unlink()
    (folder / "bin" / "python").unlink()
    done = call(folder)
    assert done.returncode == 1
    assert "STAGECOACH_ENV" in done.stderr
    assert (Path(levels.site_packages(folder)[0]) / "rich").is_dir()


def test_none_forbids_making_one_and_names_the_command() -> None:
    done = call("none")
    assert done.returncode == 1
    assert f"{PLAIN} lacks submitit==" in done.stderr
    assert f"{PLAIN} -m pip install -r {shlex.quote(str(ROOT / 'envs/requirements/launcher.txt'))}" in done.stderr


def test_a_second_call_waits_for_the_first(made: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "env")
    (folder / levels.MARK).write_text(json.dumps({"ours": True}))
    env = {**os.environ, "STAGECOACH_ENV": str(folder)}
    command = [PLAIN, str(ROOT / "envs"), "launcher"]
    both = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "Ready after" in said[1] + said[0]
    assert sum("waiting for its end" in words for words in said) == 1


def test_a_failing_pip_is_told_with_its_last_words_and_a_remedy(made: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "env")
    shutil.rmtree(next(Path(levels.site_packages(folder)[0]).glob("rich-*.dist-info")))
    done = call(folder, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")
    assert done.returncode == 1
    assert "\n    ERROR: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "pip cannot reach its index" in done.stderr
    assert str(folder / install.LOG) in done.stderr
    assert "continues where this one stopped" in done.stderr


def test_a_python_that_does_not_fit_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "PYTHONS", dict.fromkeys(levels.LEVELS, ((3, 98), (3, 99))))
    with pytest.raises(levels.SetupError, match=r"'stages' needs Python 3\.98 to 3\.99 .* is 3\.\d+\.\d+") as caught:
        levels.find_python("stages")
    assert "\n" not in str(caught.value)


def test_the_pins_of_a_level_contain_those_of_the_smaller_ones_and_torch_only_where_it_is_needed() -> None:
    launcher, stages, everything = (levels.pins(level) for level in ("launcher", "stages", "test"))
    assert launcher.items() < stages.items() < everything.items()
    assert "torch" not in launcher
    assert stages["torch"] == everything["torch"]


def test_nothing_is_compiled_whatever_the_users_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DS_BUILD_OPS", "1")
    assert install._clean_env()["DS_BUILD_OPS"] == "0"


def test_every_pin_agrees_with_the_constraints() -> None:
    lines = levels.CONSTRAINTS.read_text().splitlines()
    locked = {name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines)}
    pinned = {name.lower().replace("_", "-"): version for name, version in levels.pins("test").items()}
    assert {name: locked.get(name) for name in pinned} == pinned
    assert not [name for name in locked if name.startswith(("nvidia", "triton"))]


def test_the_packaging_metadata_and_the_bootstrap_agree_on_python() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    (first, last) = levels.PYTHONS["launcher"]
    assert f'requires-python = ">={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"' in text
