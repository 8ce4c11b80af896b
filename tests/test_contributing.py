"""The recipes of .github/CONTRIBUTING.md: executed as printed, one after another, in one copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / ".github" / "CONTRIBUTING.md"
MAX_LINES = 12
RECIPE = re.compile(
    r"^### (?P<title>.+)\n(?:(?!^#|^```).*\n)*^```sh\n(?P<script>[^`]*?)^```\n\nPrints `(?P<prints>[^`]+)`", re.M
)


class Recipe(NamedTuple):
    """One recipe of the page."""

    title: str
    script: str
    prints: str


RECIPES = [Recipe(**found.groupdict()) for found in RECIPE.finditer(PAGE.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the repository, as a clone would be."""
    folder = tmp_path_factory.mktemp("clone") / "stagecoach"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", "build", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def test_there_are_seven_recipes_and_each_is_short() -> None:
    titles = ["A stage", "A step", "A recipe", "A cluster", "An objective", "A report part", "A quality rule"]
    assert [recipe.title for recipe in RECIPES] == titles
    assert {
        recipe.title: recipe.script.count("\n") for recipe in RECIPES if recipe.script.count("\n") > MAX_LINES
    } == {}


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.title for recipe in RECIPES])
def test_a_recipe_works_as_printed(recipe: Recipe, clone: Path) -> None:
    """Each works after the ones before it: a step belongs to the new stage."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "STAGECOACH_ENV": "none", "COLUMNS": "160"}
    command = ["bash", "-euo", "pipefail", "-c", recipe.script]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert recipe.prints in done.stdout + done.stderr
