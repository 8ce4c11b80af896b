"""The house itself: what the README names exists, and every module has its test at the mirrored path."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXED = {"launch.py", "jobs", "stages", "templates", "envs", "tests", "README.md", "pyproject.toml", "LICENSE"}


def test_the_top_level_is_the_one_that_was_fixed() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "runs"}
    assert found - {"__pycache__"} == FIXED


def test_every_path_that_a_readme_names_exists() -> None:
    for readme in [ROOT / "README.md", *ROOT.glob("*/**/README.md")]:
        if ".venv" in readme.parts or "runs" in readme.parts:
            continue
        text = readme.read_text()
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (readme.parent / link).exists(), f"{readme.relative_to(ROOT)} links to {link}"
        for name in re.findall(r"`((?:jobs|stages|templates|envs|tests)/[\w./-]+\.\w+)`", text):
            made_by_the_reader = name in ("envs/mycluster.yaml",)
            assert made_by_the_reader or (ROOT / name).exists(), f"{readme.relative_to(ROOT)} names {name}"
