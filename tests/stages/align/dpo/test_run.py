"""Direct preference optimisation on real ranks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.formats.metrics import read_metrics
from stages.model.checkpoint.reading import read_weights
from tests.stages.align.ranked import LAYOUTS, REWARD
from tests.stages.train.ranks import Run, losses, train

ENOUGH = 1e-4
SETTINGS: dict[str, Any] = {**REWARD, "model": {**REWARD["model"], "head": "lm"}, "steps": 12, "heldout_every": 12}


@pytest.fixture(scope="module")
def preferred(alone: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on one rank. The start has a head of its own, which is drawn."""
    folder = str(tmp_path_factory.mktemp("preferred"))
    run = replace(alone, folder=folder, config=SETTINGS, stage="align.dpo", continue_from=str(alone.out / "final"))
    assert train(run) == [0]
    return run


def test_the_policy_starts_as_its_reference_and_learns_to_prefer(preferred: Run) -> None:
    found = read_metrics(preferred.out / "metrics.jsonl")
    assert found[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert found[0]["margin"] == pytest.approx(0.0, abs=1e-6)
    assert found[-1]["loss"] < 0.5
    assert found[-1]["accuracy"] > 0.8
    assert found[-1]["margin"] == pytest.approx(found[-1]["better_reward"] - found[-1]["worse_reward"], abs=1e-5)


def test_the_reference_is_not_saved_and_the_start_is_left_as_it_was(preferred: Run, alone: Run) -> None:
    assert sorted(path.name for path in preferred.out.iterdir() if path.is_dir() and path.name != "tensorboard") == [
        "best",
        "final",
        "untrained",
    ]
    start, untrained = dict(read_weights(alone.out / "final")), dict(read_weights(preferred.out / "untrained"))
    shared = start.keys() - {"model.output_layer.weight"}
    assert all(torch.equal(start[name], untrained[name]) for name in shared)


@pytest.mark.parametrize("changes", LAYOUTS, ids=["TP2 x PP2", "ZeRO-3"])
def test_every_layout_has_the_losses_of_one_rank(preferred: Run, tmp_path: Path, changes: dict[str, Any]) -> None:
    run = replace(preferred, folder=str(tmp_path), config=SETTINGS | changes)
    assert set(train(run)) == {0}
    assert max(abs(one - other) for one, other in zip(losses(run), losses(preferred), strict=True)) < ENOUGH


def test_adapters_learn_beside_a_reference_without_them(preferred: Run, tmp_path: Path) -> None:
    model = {**SETTINGS["model"], "lora": {"rank": 4, "alpha": 16}}
    run = replace(preferred, folder=str(tmp_path), config=SETTINGS | {"model": model, "lr": 1e-2})
    assert train(run) == [0]
    found = losses(run)
    assert found[0] == pytest.approx(math.log(2), abs=1e-6)
    assert found[-1] < found[0]
