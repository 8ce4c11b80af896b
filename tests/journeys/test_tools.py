"""Calls in documents, as an array over their shares: an element that is killed changes no byte, here and on Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stages.sample.tools.config import NOTE_TOOLS
from tests.journeys.cluster import crashes, exit_codes, write_cluster
from tests.launching import attempts, launch, unit_files
from tests.stages.evaluate.tiny import make_checkpoint, train_tokenizer

KILL = ["--fault", "calculator.annotate/1@1:kill", "--fault", "search.annotate/0@1:kill"]
JOBS = [f"{tool}.annotate" for tool in NOTE_TOOLS]


def write_recipe(folder: Path) -> Path:
    """Write a recipe of three annotations by a model with random weights, and return its path."""
    tokenizer = train_tokenizer(folder / "tokenizer")
    make_checkpoint(folder / "model", tokenizer, seq_len=160)
    recipe: dict[str, object] = {"news": {"stage": "sample.tools", "purpose": "news"}}
    for tool in NOTE_TOOLS:
        recipe[f"{tool}_notes"] = {"stage": "sample.tools", "purpose": "notes", "tool": tool, "count": 40}
        recipe[tool] = {
            "stage": "tools.annotate",
            "documents": f"from:{tool}_notes",
            "checkpoint": str(folder / "model"),
            "tokenizer": str(tokenizer),
            "tool": tool,
            "prompted": False,
            "tau_s": 0.0,
            "top_k": 1,
            "samples": 1,
            "shares": 2,
            **({"corpus": "from:news"} if tool == "search" else {}),
        }
    path = folder / "tools.yaml"
    path.write_text(yaml.safe_dump({"resources": {tool: {"units_per_element": 1} for tool in NOTE_TOOLS}, **recipe}))
    return path


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("tools"))


@pytest.fixture(scope="module")
def calm(recipe: Path) -> Path:
    """Run the recipe on this machine, undisturbed; return the run's folder."""
    launch("run", str(recipe), "--cluster", "local", "--name", "calm", runs=recipe.parent)
    return recipe.parent / "calm"


def same(calm: Path, rough: Path) -> None:
    for job in JOBS:
        files = unit_files(calm, job)
        assert len(files) == 2 * 3, "documents, candidates and counts of each share"
        assert unit_files(rough, job) == files
    codes = [code for job in JOBS for code in exit_codes(attempts(rough, job))]
    assert crashes(codes) == len(KILL) // 2


def test_shares_that_are_killed_have_the_bytes_of_an_undisturbed_run(recipe: Path, calm: Path) -> None:
    launch("run", str(recipe), "--cluster", "local", "--name", "rough", *KILL, runs=recipe.parent)
    same(calm, recipe.parent / "rough")


def test_on_slurm_they_have_them_too(recipe: Path, calm: Path, testbed: dict[str, str]) -> None:
    cluster = str(write_cluster(recipe.parent))
    launch("run", str(recipe), "--cluster", cluster, "--name", "there", "--wait", *KILL, runs=recipe.parent)
    same(calm, recipe.parent / "there")
