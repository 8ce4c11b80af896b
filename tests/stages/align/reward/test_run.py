"""Training of a reward model: through the harness, and on real ranks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.formats.metrics import read_metrics
from stages.model.checkpoint.reading import read_weights
from stages.shared.errors import ConfigError
from tests.stages.align.ranked import LAYOUTS, REWARD, Trained, reward_settings
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import Run, losses, train

ENOUGH = 1e-4


def test_the_better_responses_get_the_higher_scores(trained: Trained) -> None:
    found = read_metrics(trained.outputs["metrics"][0].path)
    assert found[0]["loss"] == pytest.approx(0.693, abs=0.02)  # of scores that are all nearly equal
    assert found[-1]["loss"] < 0.3
    assert found[-1]["heldout_accuracy"] > 0.8
    assert {"accuracy/people", "accuracy/rules", "margin"} <= found[-1].keys()


@pytest.mark.parametrize("changes", LAYOUTS, ids=["TP2 x PP2", "ZeRO-3"])
def test_every_layout_has_the_losses_of_one_rank(alone: Run, tmp_path: Path, changes: dict[str, Any]) -> None:
    run = replace(alone, folder=str(tmp_path), config=REWARD | changes)
    assert set(train(run)) == {0}
    assert max(abs(one - other) for one, other in zip(losses(run), losses(alone), strict=True)) < ENOUGH


def test_microbatches_of_one_row_and_of_all_rows_have_the_same_losses(alone: Run, tmp_path: Path) -> None:
    for size in (1, 4):
        run = replace(alone, folder=str(tmp_path / str(size)), config=REWARD | {"microbatch": size})
        assert train(run) == [0]
        assert losses(run)[:3] == pytest.approx(losses(alone)[:3], abs=1e-6)
        assert losses(run) == pytest.approx(losses(alone), abs=ENOUGH)  # AdamW enlarges what rounding leaves


def test_killed_at_any_step_it_ends_with_the_same_bytes(alone: Run, tmp_path: Path) -> None:
    run = replace(alone, folder=str(tmp_path))
    for step in (2, 5):
        assert train(replace(run, die_at=step)) == [-9]
    assert train(run) == [0]
    assert_equal(run, alone)


def test_it_starts_from_the_embeddings_and_layers_of_a_language_model_with_a_new_head(
    alone: Run, tmp_path: Path
) -> None:
    model = {**REWARD["model"], "head": "lm"}
    policy = replace(
        alone,
        folder=str(tmp_path / "policy"),
        stage="align.dpo",
        config=REWARD | {"model": model, "steps": 1},
        continue_from=str(alone.out / "final"),
    )
    assert train(policy) == [0]
    start = str(policy.out / "final")
    config = REWARD | {"continue_with": "weights", "steps": 1, "seed": 5}
    run = replace(alone, folder=str(tmp_path / "reward"), config=config, continue_from=start)
    assert train(run) == [0]
    before, after = dict(read_weights(policy.out / "final")), dict(read_weights(run.out / "untrained"))
    head = "model.output_layer.weight"
    assert after[head].shape == (1, 64)
    assert before[head].size(0) > 1
    assert all(torch.equal(before[name], after[name]) for name in after.keys() - {head})


def test_frozen_layers_and_the_embedding_keep_the_weights_of_the_start(alone: Run, tmp_path: Path) -> None:
    run = replace(alone, folder=str(tmp_path), config=REWARD | {"frozen_layers": 1, "steps": 2})
    assert train(run) == [0]
    before, after = (dict(read_weights(run.out / name)) for name in ("untrained", "final"))
    still = {name for name, weight in after.items() if torch.equal(weight, before[name])}
    assert {name for name in after if "embedding" in name or "layers.0." in name} == still
    assert still < after.keys()


def test_more_steps_than_one_reading_are_refused(alone: Run, tmp_path: Path) -> None:
    run = replace(alone, folder=str(tmp_path), config=REWARD | {"epochs": 1.0, "steps": 20})
    assert train(run) == [93]
    message = (tmp_path / "error-0.txt").read_text()
    assert "steps = 20: must be at most" in message
    assert "readings of source" in message


def test_a_model_without_a_scalar_head_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.head = 'lm': must be scalar"):
        reward_settings(model={"head": "lm"})


def test_an_end_of_context_token_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"<\|other\|>"):
        reward_settings(end_of_context="<|other|>")
