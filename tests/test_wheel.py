"""The wheel: what pip installs is the whole code, and it plans and runs in an empty folder as a clone does."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jobs.submit.snapshot import ROOT, code_files

METADATA = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with what pip unpacks into site-packages."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools, which builds the wheel, is not installed")
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in [*code_files(ROOT), *map(Path, METADATA)]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, source / path)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, f"--wheel-dir={folder}", str(source)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("stagecoach-*.whl")
    site = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def stagecoach(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console command as its script does."""
    script = "import sys; sys.argv[0] = '/env/bin/stagecoach'; from launch import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "160"}
    environment.pop("STAGECOACH_ENV", None)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_wheel_holds_the_code_and_all_its_data_files(installed: Path) -> None:
    found = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    assert {path for path in found if not path.parts[0].endswith(".dist-info")} == set(code_files(ROOT))
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "stagecoach = launch:main" in entry_points.read_text(encoding="utf-8")


def test_a_snapshot_of_installed_code_holds_nothing_else_of_site_packages(installed: Path) -> None:
    others = [installed / "templates/other.txt", installed / "jobs/__pycache__/a.pyc", installed / "numpy/core.py"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    try:
        assert code_files(installed) == code_files(ROOT)
    finally:
        for path in others:
            path.unlink()


def test_help_is_the_console_commands(installed: Path, tmp_path: Path) -> None:
    done = stagecoach(installed, tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage: stagecoach" in done.stdout
    assert "stagecoach plan demo" in done.stdout
    assert "launch.py" not in done.stdout


def test_a_shipped_recipe_is_planned_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    done = stagecoach(installed, tmp_path, "plan", "demo", "--cluster", "local", "--set", "targets=[sample]")
    assert done.returncode == 0, done.stderr
    assert "sample" in done.stdout
    assert f"in {tmp_path}/runs/demo" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_installed_code_works_from_its_own_snapshot(installed: Path, tmp_path: Path) -> None:
    asked = ["--cluster", "local", "--set", "targets=[sample]", "--set", "sample.pages=340"]
    done = stagecoach(installed, tmp_path, "run", "demo", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    (code,) = (tmp_path / "runs/demo/code").iterdir()
    assert sorted(path.name for path in code.iterdir()) == ["envs", "jobs", "launch.py", "stages", "templates"]
    assert stagecoach(installed, tmp_path, "status", "demo").returncode == 0


def test_the_checks_are_run_in_a_clone(installed: Path, tmp_path: Path) -> None:
    done = stagecoach(installed, tmp_path, "test")
    assert (done.returncode, "run them in a clone" in done.stderr) == (2, True), done.stderr
    assert done.stderr.startswith("stagecoach test: ")


def test_an_installed_launcher_makes_no_environment_of_its_own(installed: Path, tmp_path: Path) -> None:
    script = "from envs import levels; print(levels.env_folder())"
    environment = {**os.environ, "PYTHONPATH": str(installed), "STAGECOACH_ENV": str(tmp_path / "env")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"
    plain = [
        getattr(sys, "_base_executable", sys.executable),
        "-S",
        "-c",
        "from launch import main; main(['status', 'x'])",
    ]
    done = subprocess.run(plain, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Install them: " in done.stderr
    assert f"-r {installed}/envs/requirements/launcher.txt" in done.stderr
    assert "STAGECOACH_ENV" not in done.stderr
