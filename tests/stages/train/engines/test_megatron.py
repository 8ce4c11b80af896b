"""Model, gradient buffers and optimizer, in one process and on ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from stages.model import parallel
from stages.model.checkpoint.reading import weights_digest
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.train.engines import megatron
from stages.train.engines.megatron import MegatronEngine
from stages.train.objectives.base import Batch
from tests.stages.train.engines.single import next_token, single
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import DEEP, Run, digest, finish, losses, start, train, work

INTERLEAVED: dict[str, Any] = {"model": DEEP, "layout": {"pp": 2, "interleave": 2}}
SMALL = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}


def make(**settings: Any) -> MegatronEngine:
    parallel.start(Ranks())
    config = PretrainConfig(tokens="x", tokenizer="x", model=SMALL, microbatch=2, **settings)
    engine = single(config)
    assert isinstance(engine, MegatronEngine)
    return engine


def batch() -> Batch:
    tokens = torch.randint(300, (2, 8), generator=torch.Generator().manual_seed(1))
    places = torch.arange(8).expand(2, 8)
    return {"tokens": tokens, "labels": tokens, "position_ids": places, "loss_mask": torch.ones(2, 8)}


def test_norms_are_exempt_from_weight_decay_and_the_rate_reaches_every_group() -> None:
    engine = make()
    engine.accumulate(next_token(), iter([batch()]), 1)
    engine.gradient_norm()
    assert engine.update(0.25)
    groups = engine.optimizer.param_groups
    assert {group["lr"] for group in groups} == {0.25}
    decayed = {group["weight_decay"]: sum(weight.numel() for weight in group["params"]) for group in groups}
    gains = 5 * 32
    assert decayed == {0.1: count(engine.chunks[0]) - gains, 0.0: gains}


def test_one_update_is_adamws() -> None:
    engine = make(optimizer={"clip_grad": 1e6})
    weight = engine.chunks[0].decoder.layers[0].mlp.linear_fc2.weight
    before = weight.detach().clone()
    engine.accumulate(next_token(), iter([batch()]), 1)
    gradient = weight.main_grad.clone()
    engine.gradient_norm()
    engine.update(0.01)
    # The first step of AdamW: bias correction makes it the gradient's sign, beside the decay of 0.1 x lr.
    expected = before * (1 - 0.01 * 0.1) - 0.01 * gradient / (gradient.abs() + 1e-8)
    assert (weight - expected).abs().max() < 1e-6


def test_the_norm_is_the_whole_gradients_and_a_longer_one_is_clipped() -> None:
    engine = make(optimizer={"clip_grad": 1e-3})
    engine.accumulate(next_token(), iter([batch()]), 1)
    whole = torch.cat([weight.main_grad.flatten() for weight in engine.chunks[0].parameters()]).norm()
    assert abs(engine.gradient_norm() - whole) < 1e-5
    engine.update(0.01)
    clipped = torch.cat([weight.grad.flatten() for weight in engine.optimizer.get_parameters()]).norm()
    assert abs(clipped - 1e-3) < 1e-8


def count(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def test_an_overflow_in_fp16_leaves_a_step_without_an_update_and_the_second_one_halves_the_scale() -> None:
    engine = make(dtype="fp16", loss_scale={"initial": 2.0**30})
    before = [weight.clone() for weight in engine.chunks[0].parameters()]
    scales = []
    for _ in range(3):
        engine.accumulate(next_token(), iter([batch()]), 1)
        assert engine.gradient_norm() == float("inf")
        assert not engine.update(0.1)
        scales.append(float(engine.optimizer.get_loss_scale()))
    assert scales == [2.0**26, 2.0**25, 2.0**24]  # of a sum over 16 labels
    assert all(map(torch.equal, before, engine.chunks[0].parameters()))
    assert {weight.dtype for weight in engine.chunks[0].parameters()} == {torch.float16}


def test_in_fp16_the_gradients_norm_is_that_of_the_loss_without_its_scale() -> None:
    norms = []
    for settings in ({}, {"dtype": "fp16"}):
        engine = make(**settings)
        engine.accumulate(next_token(), iter([batch()]), 1)
        norms.append(engine.gradient_norm())
        assert engine.update(0.1)
    assert norms[1] == pytest.approx(norms[0], rel=1e-2)


SHORT = {"steps": 8, "warmup_steps": 2, "checkpoint_every": 3}


def overlapping(bucket_size: int | None, run: Run, rank: int) -> None:
    """Be a rank that exchanges while it computes, as one with CUDA does."""
    megatron.overlaps = lambda: True
    megatron.DistributedDataParallelConfig = partial(megatron.DistributedDataParallelConfig, bucket_size=bucket_size)
    work(run, rank)


def train_with(run: Run, target: Callable[[Run, int], None] | None) -> list[int]:
    return finish(start(run, target))


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"dtype": "fp16", "loss_scale": {"initial": 2.0**17, "window": 4}, "layout": {"dp": 2}}, None),
        ({"dtype": "bf16", "layout": {"dp": 2, "offload": ["optimizer", "activations"]}}, None),
        (INTERLEAVED, None),
        ({"layout": {"dp": 2}}, partial(overlapping, 5000)),
    ],
    ids=["fp16", "offloaded", "interleaved", "overlapped in many buckets"],
)
def test_killed_after_a_step_it_ends_with_the_same_bytes(
    changes: dict[str, Any], target: Callable[[Run, int], None] | None, run: Run
) -> None:
    killed, whole = (replace(run, folder=run.folder + name, config=SHORT | changes) for name in ("", "-whole"))
    assert train_with(whole, target) == [0, 0]
    assert train_with(replace(killed, die_at=5), target)[1] == -9
    assert train_with(killed, target) == [0, 0]
    assert_equal(killed, whole)
    assert losses(whole)[-1] < losses(whole)[0] - 0.1


def test_overlap_changes_no_bit(run: Run) -> None:
    split = {"model": DEEP, "layout": {"pp": 2, "interleave": 2, "dp": 2}}
    plain, overlapped = (replace(run, folder=run.folder + name, config=SHORT | split) for name in ("", "-overlapped"))
    assert train(plain) == [0] * 4
    assert train_with(overlapped, partial(overlapping, None)) == [0] * 4
    assert digest(plain) == digest(overlapped)


def test_offloading_changes_no_bit(run: Run) -> None:
    layouts = ({}, {"offload": ["optimizer", "activations"]})
    runs = [
        replace(run, folder=f"{run.folder}-{len(x)}", config=SHORT | {"layout": x, "dtype": "bf16"}) for x in layouts
    ]
    assert [train(each) for each in runs] == [[0], [0]]
    assert digest(runs[0]) == digest(runs[1])


def test_the_same_weights_are_drawn_however_stages_interleave(run: Run) -> None:
    short = {"model": DEEP, "steps": 1, "warmup_steps": 1}
    alone, interleaved = (
        replace(run, folder=run.folder + name, config=short | layout)
        for name, layout in (("", {}), ("-i", INTERLEAVED))
    )
    assert [train(alone), train(interleaved)] == [[0], [0, 0]]
    one, other = (weights_digest(each.out / "untrained", 300) for each in (alone, interleaved))
    assert one == other
