"""Every architecture through the loop: split over ranks, killed, and started from a folder of weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stages.formats.metrics import read_metrics
from stages.model.checkpoint.load import load_model
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import DEEP, TINY, Run, losses, train

SHORT: dict[str, Any] = {"steps": 12, "warmup_steps": 2, "checkpoint_every": 5}
EVERYTHING = {"tp": 2, "pp": 2, "interleave": 2, "sp": True, "recompute": "selective"}
GLM = DEEP | {"position": "glm", "norm": "layernorm", "activation": "gelu", "bias": True, "tied_embeddings": True}


def make(run: Run, name: str, model: dict[str, Any], **changes: Any) -> Run:
    """Return a run of a kind of model, in a folder of its own."""
    return replace(run, folder=f"{run.folder}-{name}", config=SHORT | {"model": TINY["model"] | model} | changes)


def trained(run: Run) -> Run:
    assert set(train(run)) == {0}
    return run


def largest_difference(one: Run, other: Run) -> float:
    return max(abs(a - b) for a, b in zip(losses(one), losses(other), strict=True))


@pytest.mark.parametrize(
    ("model", "changes", "layout"),
    [({"position": "alibi"}, {}, {"tp": 2}), (GLM, {"blanks": {}}, EVERYTHING)],
    ids=["alibi", "glm"],
)
def test_a_split_model_repeats_one_ranks_losses(
    run: Run, model: dict[str, Any], changes: dict[str, Any], layout: dict[str, Any]
) -> None:
    one = trained(make(run, "one", model, **changes))
    split = trained(make(run, "split", model, layout=layout, **changes))
    assert largest_difference(one, split) < 1e-4
    assert losses(one)[-1] < losses(one)[0] - 0.3


def test_experts_on_two_ranks_repeat_experts_on_each(run: Run) -> None:
    experts = {"moe": {"num_experts": 4, "top_k": 2, "z_loss": 1e-3, "capacity_factor": 1.1}}
    each = trained(make(run, "each", experts, layout={"dp": 2}))
    shared = trained(make(run, "shared", experts, layout={"dp": 2, "ep": 2}))
    assert largest_difference(each, shared) < 1e-4
    assert losses(each)[-1] < losses(each)[0] - 0.3
    shares = [row["dropped"] for row in read_metrics(shared.out / "metrics.jsonl")]
    assert shares == [row["dropped"] for row in read_metrics(each.out / "metrics.jsonl")]
    assert all(0 < share < 0.5 for share in shares)
    free = trained(make(run, "free", {"moe": experts["moe"] | {"capacity_factor": None}}, layout={"dp": 2}))
    assert largest_difference(each, free) > 1e-3


@pytest.mark.parametrize("balance", ["microbatch", "sequence"])
def test_experts_losses_weigh_as_much_in_every_layout(run: Run, balance: str) -> None:
    strong = {"moe": {"num_experts": 4, "aux_loss": 1.0, "z_loss": 0.1, "balance": balance}}
    one = trained(make(run, "one", strong))
    split = trained(make(run, "split", strong, layout={"tp": 2, "sp": True}))
    assert largest_difference(one, split) < 1e-4
    other = trained(make(run, "other", strong, layout={"dp": 2, "ep": 2}, microbatch=4))
    same = largest_difference(one, other) < 1e-4
    assert same == (balance == "sequence")  # a microbatch's balance depends on its size


@pytest.mark.parametrize(
    ("model", "changes"),
    [({"moe": {"num_experts": 4}}, {"layout": {"dp": 2, "ep": 2}}), (GLM, {"blanks": {}})],
    ids=["experts", "glm"],
)
def test_killed_after_a_step_it_ends_with_the_same_bytes(
    run: Run, model: dict[str, Any], changes: dict[str, Any]
) -> None:
    whole = trained(make(run, "whole", model, **changes))
    killed = make(run, "killed", model, **changes)
    assert train(replace(killed, die_at=8))[-1] == -9
    assert_equal(trained(killed), whole)
    assert load_model(whole.out / "final").step == 12
