"""What a batch is made of, through the loop on real ranks: a size that grows, documents apart; killed and split."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.formats.metrics import read_metrics
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import DEEP, Run, losses, train

GROWING: dict[str, Any] = {
    "ramp": {"start": 4, "increment": 4, "sequences": 40},
    **{"steps": 14, "global_batch": 16, "warmup_steps": 3, "checkpoint_every": 4},
}
SHORT: dict[str, Any] = {"steps": 12, "warmup_steps": 2, "checkpoint_every": 5}
APART: dict[str, Any] = SHORT | {"model": DEEP, "attend_across_documents": False}
SIZES = [4, 4, 4, 4, 8, 8, 12, *[16] * 7]


@pytest.fixture(scope="module")
def apart(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on one rank with documents apart."""
    return trained(Run(str(tmp_path_factory.mktemp("apart")), corpus, APART))


def trained(run: Run) -> Run:
    assert set(train(run)) == {0}
    return run


def largest_difference(one: Run, other: Run) -> float:
    return max(abs(a - b) for a, b in zip(losses(one), losses(other), strict=True))


def test_a_batch_grows_and_a_killed_run_and_a_split_one_take_the_same_sequences(run: Run) -> None:
    whole = trained(replace(run, folder=run.folder + "-whole", config=GROWING))
    rows = read_metrics(whole.out / "metrics.jsonl")
    assert [row["tokens"] for row in rows] == [32 * sum(SIZES[: step + 1]) for step in range(14)]
    killed = replace(run, config=GROWING)
    assert train(replace(killed, die_at=6)) == [-9]  # between a checkpoint at 4 and the next size
    assert_equal(trained(killed), whole)
    pair = trained(replace(run, folder=run.folder + "-pair", config=GROWING | {"layout": {"dp": 2}}))
    assert largest_difference(whole, pair) < 1e-4


@pytest.mark.parametrize(
    "split",
    [
        {"layout": {"tp": 2, "pp": 2}},
        {"layout": {"tp": 2, "sp": True, "recompute": "selective"}},
        {"layout": {"pp": 2, "interleave": 2, "recompute": "full"}},
        {"layout": {"dp": 2, "zero": 2}, "engine": "deepspeed"},
    ],
    ids=["tp2 pp2", "tp2 sp", "pp2 interleaved", "deepspeed"],
)
def test_a_split_model_keeps_documents_apart(run: Run, apart: Run, split: dict[str, Any]) -> None:
    assert largest_difference(apart, trained(replace(run, config=APART | split))) < 1e-4


def test_documents_apart_are_learned_otherwise_than_together(run: Run, apart: Run) -> None:
    assert losses(apart)[-1] < losses(apart)[0] - 0.3
    together = trained(replace(run, config=SHORT))
    assert largest_difference(apart, together) > 1e-3


def test_data_that_is_not_what_it_was_is_refused_and_what_was_put_back_is_not(run: Run, tmp_path: Path) -> None:
    moved = replace(run, data=shutil.copytree(run.data, tmp_path / "data"), config=SHORT)
    whole = trained(replace(run, folder=run.folder + "-whole", config=SHORT))
    assert train(replace(moved, die_at=8)) == [-9]
    dataset = tmp_path / "data" / "tokens-large.bin"
    content = dataset.read_bytes()
    dataset.write_bytes(content[2:] + content[:2])
    assert train(moved) == [93]
    dataset.write_bytes(content)
    assert_equal(trained(moved), whole)
