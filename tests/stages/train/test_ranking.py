"""The training contract, proved by an objective of another kind: tests/stages/train/ranking.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.formats.metrics import read_metrics
from stages.model.checkpoint.load import load_model
from stages.model.checkpoint.reading import read_weights
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import CHECKPOINTED, DEEP, Run, losses, train, train_through_kills

SETTINGS: dict[str, Any] = {
    **{"steps": 20, "checkpoint_every": 5, "lr": 5e-3, "microbatch": 4},
    **{"heldout_batches": 2, "heldout_every": 10, "model": {**DEEP, "seq_len": 16}},
}
ENOUGH = 1e-4
"""As in test_layouts: nats by which a loss may differ between two layouts."""


@pytest.fixture(scope="module")
def ranked(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on one rank."""
    run = Run(str(tmp_path_factory.mktemp("ranked")), corpus, SETTINGS, stage="ranking")
    assert train(run) == [0]
    return run


def test_the_better_texts_get_the_higher_scores_and_its_own_numbers_are_in_the_metrics(ranked: Run) -> None:
    rows = read_metrics(ranked.out / "metrics.jsonl")
    assert rows[-1]["accuracy"] > 0.9
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.2
    assert [row["step"] for row in rows if "heldout_accuracy" in row] == [10, 20]
    assert all(row["surprise"] == pytest.approx(5.93, abs=0.06) for row in rows)  # the reference learns nothing


def test_frozen_weights_stay_and_the_others_learn(ranked: Run) -> None:
    final, untrained = (dict(read_weights(ranked.out / name)) for name in ("final", "untrained"))
    layers = "model.decoder.layers.mlp.linear_fc1.weight"
    assert torch.equal(
        final["model.embedding.word_embeddings.weight"], untrained["model.embedding.word_embeddings.weight"]
    )
    assert torch.equal(final[layers][0], untrained[layers][0])
    assert all(not torch.equal(one, other) for one, other in zip(final[layers][1:], untrained[layers][1:], strict=True))
    assert final["model.output_layer.weight"].shape == (1, 64)
    assert load_model(ranked.out / "final").config.head == "scalar"


def test_frozen_weights_have_no_optimizer_state(ranked: Run) -> None:
    from torch.distributed.checkpoint import FileSystemReader  # noqa: PLC0415

    folder = Path(ranked.folder) / "work" / "checkpoints" / "step-0000020"
    names = FileSystemReader(folder).read_metadata().state_dict_metadata
    assert "optimizer.state.exp_avg.model.output_layer.weight" in names
    assert not [name for name in names if name.startswith("optimizer") and "embedding" in name]


def test_the_feeds_state_is_part_of_every_checkpoint(ranked: Run) -> None:
    folder = Path(ranked.folder) / "work" / "checkpoints"
    feeds = [json.loads((folder / f"step-00000{step}" / "state.json").read_text())["feed"] for step in (15, 20)]
    assert [feed["jumps"] for feed in feeds] == [15, 20]
    assert 0 <= feeds[0]["place"] < 96


@pytest.mark.parametrize("die_in", ["write", "commit", "mark", "finish"])
def test_killed_in_any_part_of_a_checkpoint_it_ends_the_same(ranked: Run, tmp_path: Path, die_in: str) -> None:
    run = replace(ranked, folder=str(tmp_path / "run"))
    assert train(replace(run, die_in=die_in)) == [-9]
    assert train(run) == [0]
    assert_equal(run, ranked)


def test_killed_at_any_step_and_stopped_it_ends_the_same(ranked: Run, tmp_path: Path) -> None:
    run = replace(ranked, folder=str(tmp_path / "run"))
    for step in (1, 7, 11):
        assert train(replace(run, die_at=step)) == [-9]
    assert train(replace(run, stop_at=13)) == [CHECKPOINTED]
    assert train(run) == [0]
    assert_equal(run, ranked)


def test_killed_at_random_moments_on_two_ranks_it_ends_the_same(ranked: Run, tmp_path: Path) -> None:
    pair = replace(ranked, folder=str(tmp_path / "pair"), config=SETTINGS | {"layout": {"dp": 2}})
    assert train(pair) == [0, 0]
    run = replace(pair, folder=str(tmp_path / "killed"))
    train_through_kills(run, kills=4, seed=5)
    assert_equal(run, pair)


LAYOUTS: dict[str, dict[str, Any]] = {
    "TP2 x PP2": {"layout": {"tp": 2, "pp": 2}},
    "TP2 x PP2 with sequence parallelism": {"layout": {"tp": 2, "pp": 2, "sp": True}},
    "interleaved": {"layout": {"pp": 2, "interleave": 2}},
}


@pytest.mark.parametrize("changes", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_has_the_losses_and_metrics_of_one_rank(
    ranked: Run, tmp_path: Path, changes: dict[str, Any]
) -> None:
    frozen = {"frozen": ()} if "interleave" in changes["layout"] else {}  # layer 0 alone is all of a stage's chunk
    split = replace(ranked, folder=str(tmp_path / "split"), config=SETTINGS | changes | frozen)
    assert set(train(split)) == {0}
    alone = ranked
    if frozen:
        alone = replace(ranked, folder=str(tmp_path / "alone"), config=SETTINGS | frozen)
        assert train(alone) == [0]
    assert max(abs(a - b) for a, b in zip(losses(split), losses(alone), strict=True)) < ENOUGH
    ours, theirs = (read_metrics(run.out / "metrics.jsonl") for run in (split, alone))
    for name in ("grad_norm", "surprise"):
        assert [row[name] for row in ours] == pytest.approx([row[name] for row in theirs], rel=1e-3)


def test_deepspeed_has_the_losses_of_megatron(ranked: Run, tmp_path: Path) -> None:
    settings = SETTINGS | {"frozen": (), "layout": {"dp": 2}}
    runs = [
        replace(ranked, folder=str(tmp_path / name), config=settings | changes)
        for name, changes in (
            ("megatron", {}),
            ("zero 2", {"engine": "deepspeed", "layout": {"dp": 2, "zero": 2}}),
            ("zero 3", {"engine": "deepspeed", "layout": {"dp": 2, "zero": 3}}),
        )
    ]
    assert [train(run) for run in runs] == [[0, 0]] * 3
    for run in runs[1:]:
        assert max(abs(a - b) for a, b in zip(losses(run), losses(runs[0]), strict=True)) < ENOUGH
