"""What is never trained on: chosen the same everywhere, measured the same in every layout, and without a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.formats.metrics import read_metrics
from stages.train.data.heldout import choose, divide
from tests.stages.train.equal import same_files
from tests.stages.train.ranks import DEEP, TINY, Run, digest, losses, train

MEASURED = {"steps": 9, "heldout_batches": 2, "heldout_every": 3}
EXPERTS = {"model": TINY["model"] | {"moe": {"num_experts": 4, "top_k": 2, "capacity_factor": 1.0}}}


@pytest.mark.parametrize(
    ("sequences", "weights", "counts"),
    [
        (16, [1.0, 1.0], [8, 8]),
        (16, [0.87, 0.13], [14, 2]),
        (1, [1.0, 1.0, 1.0], [1, 0, 0]),
        (10, [0.25, 0.25, 0.5], [3, 2, 5]),
        (0, [2.0, 1.0], [0, 0]),
    ],
)
def test_sequences_are_divided_by_the_weights(sequences: int, weights: list[float], counts: list[int]) -> None:
    assert divide(sequences, weights) == counts


def test_documents_are_drawn_by_the_seed_until_they_have_the_tokens() -> None:
    lengths = np.random.RandomState(1).randint(1, 50, size=10_000)
    chosen = choose(lengths, 1000, (1, 0))
    assert 1000 <= lengths[chosen].sum() < 1050
    assert len(set(chosen.tolist())) == len(chosen)
    assert chosen.tolist() == choose(lengths, 1000, (1, 0)).tolist()
    assert chosen.tolist() != choose(lengths, 1000, (1, 1)).tolist() != choose(lengths, 1000, (2, 0)).tolist()
    assert choose(lengths[:3], 1000, (1, 0)).tolist() == [0, 1, 2]


def heldout(run: Run) -> list[float]:
    """Return a run's losses on what is held out, the first after step 3."""
    rows = {row["step"]: row["heldout"] for row in read_metrics(run.out / "metrics.jsonl") if "heldout" in row}
    assert list(rows) == [3, 6, 9]
    return list(rows.values())


@pytest.mark.parametrize(
    ("other", "both"),
    [
        ({"layout": {"pp": 2, "interleave": 2}}, {"model": DEEP}),
        ({"layout": {"dp": 2, "zero": 3}, "engine": "deepspeed"}, {}),
        ({"layout": {"dp": 2, "ep": 2, "recompute": "selective"}}, EXPERTS),
    ],
    ids=["interleaved", "deepspeed", "experts"],
)
def test_measuring_leaves_no_trace_and_is_the_same_in_every_layout(
    run: Run, other: dict[str, Any], both: dict[str, Any]
) -> None:
    alone, split, unmeasured = (
        replace(run, folder=f"{run.folder}-{number}", config=MEASURED | both | changes)
        for number, changes in enumerate(({}, other, other | {"heldout_every": None}))
    )
    assert {*train(alone), *train(split), *train(unmeasured)} == {0}
    assert heldout(split) == pytest.approx(heldout(alone), abs=1e-5)
    assert digest(split) == digest(unmeasured)
    assert losses(split) == losses(unmeasured)
    assert same_files(split.out / "final", unmeasured.out / "final") is False  # state.json tells the best
    assert not (unmeasured.out / "best").exists()


def test_a_batch_that_is_trained_on_has_the_loss_that_is_measured_of_it(run: Run) -> None:
    measured = replace(run, config=MEASURED | {"steps": 3, "lr": 1e-12, "warmup_steps": 0})
    assert train(measured) == [0]
    (row,) = [row for row in read_metrics(measured.out / "metrics.jsonl") if "heldout" in row]
    assert row["heldout"] == pytest.approx(losses(measured)[0], abs=0.05)
