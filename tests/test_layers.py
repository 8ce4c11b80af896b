"""Import contracts of pyproject.toml: they hold, and they cover a stage that did not exist when they were written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.__main__ import IMPORT_LINTER

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Return a copy of the code with a stage of its own, `fresh`."""
    for part in ("jobs", "stages", "envs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("launch.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "stages" / "fresh").mkdir()
    (tmp_path / "stages" / "fresh" / "__init__.py").touch()
    return tmp_path


def broken(code: Path) -> list[str]:
    """Return the names of the contracts that the copy breaks."""
    done = subprocess.run([sys.executable, "-c", IMPORT_LINTER], cwd=code, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return [line.partition(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line]


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("stages/fresh/run.py", "import stages.shared.errors", ""),
        ("stages/fresh/run.py", "import stages.web.config", "a stage imports rooms, never another stage"),
        ("stages/web/fresh.py", "import stages.fresh", "a stage imports rooms, never another stage"),
        ("stages/model/fresh.py", "import stages.fresh", "a stage imports rooms, never another stage"),
        ("stages/model/fresh.py", "import stages.train.config", "the rooms, from top to bottom"),
        ("stages/fresh/run.py", "import jobs.paths", "jobs -> stages"),
        ("stages/fresh/config.py", "import torch", "the launcher and every stage's config stay light"),
        ("jobs/fresh.py", "import launch", "no module imports the door"),
    ],
)
def test_a_contract_covers_a_new_file(code: Path, file: str, line: str, contract: str) -> None:
    (code / file).write_text(f"{line}\n")
    found = broken(code)
    assert [name[: len(contract)] for name in found] == ([contract] if contract else [])
