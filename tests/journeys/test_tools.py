"""Calls in documents, as an array over their shares: an element that is killed changes no byte, here and on Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.journeys.cluster import crashes, exit_codes, write_cluster
from tests.launching import attempts, launch, unit_files
from tests.stages.evaluate.tiny import make_checkpoint, train_tokenizer

JOB = "searched.annotate"
KILL = ("--fault", f"{JOB}/1@1:kill")
"""After the first batch of the second share."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recipe in which a model with random weights annotates notes, in two shares; return its path."""
    folder = tmp_path_factory.mktemp("tools")
    tokenizer = train_tokenizer(folder / "tokenizer")
    make_checkpoint(folder / "model", tokenizer, seq_len=160)
    sections = {
        "resources": {"searched": {"units_per_element": 1}},
        "news": {"stage": "sample.tools", "purpose": "news"},
        "notes": {"stage": "sample.tools", "purpose": "notes", "tool": "search", "count": 64},
        "searched": {
            "stage": "tools.annotate",
            "documents": "from:notes",
            "checkpoint": str(folder / "model"),
            "tokenizer": str(tokenizer),
            "tool": "search",
            "corpus": "from:news",
            "prompted": False,
            "tau_s": 0.0,
            "top_k": 1,
            "samples": 1,
            "shares": 2,
        },
    }
    path = folder / "tools.yaml"
    path.write_text(yaml.safe_dump(sections))
    return path


@pytest.fixture(scope="module")
def calm(recipe: Path) -> dict[str, bytes]:
    """Run the recipe on this machine, undisturbed; return the files of the annotation."""
    launch("run", str(recipe), "--cluster", "local", "--name", "calm", runs=recipe.parent)
    files = unit_files(recipe.parent / "calm", JOB)
    assert {path.partition("/")[2] for path in files} >= {"candidates.jsonl", "documents.jsonl.zst", "synthesis.json"}
    return files


def was_killed(run: Path) -> bool:
    return crashes(exit_codes(attempts(run, JOB))) == 1


def test_a_share_that_is_killed_has_the_bytes_of_an_undisturbed_run(recipe: Path, calm: dict[str, bytes]) -> None:
    launch("run", str(recipe), "--cluster", "local", "--name", "rough", *KILL, runs=recipe.parent)
    assert unit_files(recipe.parent / "rough", JOB) == calm
    assert was_killed(recipe.parent / "rough")


def test_on_slurm_it_has_them_too(recipe: Path, calm: dict[str, bytes], testbed: dict[str, str]) -> None:
    cluster = str(write_cluster(recipe.parent))
    launch("run", str(recipe), "--cluster", cluster, "--name", "there", "--wait", *KILL, runs=recipe.parent)
    assert unit_files(recipe.parent / "there", JOB) == calm
    assert was_killed(recipe.parent / "there")
