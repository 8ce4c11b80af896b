"""AdamW over the data parallel ranks: its scaler and what of it is saved."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedTensor, apply_factories
from megatron.core.distributed import DistributedDataParallelConfig
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.utils import local_multi_tensor_l2_norm

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.train.engines import megatron, optimizer
from stages.train.engines.megatron import MegatronEngine
from tests.stages.train.engines.single import single
from tests.stages.train.ranks import TINY, Run, finish, losses, start, work

SMALL = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}


def make(**settings: Any) -> MegatronEngine:
    parallel.start(Ranks())
    model = SMALL | settings.pop("model", {})
    config = PretrainConfig(tokens="x", tokenizer="x", model=model, microbatch=2, **settings)
    engine = single(config)
    assert isinstance(engine, MegatronEngine)
    return engine


def checking(run: Run, rank: int) -> None:
    """Be a rank that has an optimizer for experts and one for the rest, and ends at once unless they share a scaler."""
    build = megatron.build_optimizer

    def checked(*args: Any) -> MegatronOptimizer:
        optimizer = build(*args)
        experts, rest = optimizer.chained_optimizers
        assert experts.grad_scaler is rest.grad_scaler
        return optimizer

    megatron.build_optimizer = checked
    work(run, rank)


def test_where_experts_are_shared_out_in_fp16_the_loss_has_one_scale(run: Run) -> None:
    experts = {"model": TINY["model"] | {"moe": {"num_experts": 2}}, "layout": {"dp": 2, "ep": 2}, "dtype": "fp16"}
    short = {"steps": 4, "warmup_steps": 1, "checkpoint_every": 2}
    run = replace(run, config=short | experts | {"loss_scale": {"initial": 256.0}})
    assert finish(start(run, checking)) == [0, 0]
    assert losses(run)[-1] < losses(run)[0]


def test_the_scale_is_that_of_a_mean_over_a_microbatchs_labels() -> None:
    engine = make(dtype="fp16", loss_scale={"initial": 1024.0, "least": 32.0})
    scaler = engine.optimizer.chained_optimizers[0].grad_scaler
    assert float(scaler.scale) * 16 == 1024.0
    assert float(scaler.min_scale) * 16 == 32.0


def test_a_gpus_norm_and_clipping_are_megatrons() -> None:
    draw = torch.Generator().manual_seed(1)
    gradients = [torch.randn(size, generator=draw) for size in (7, 300, 64)]
    none = torch.zeros(1, dtype=torch.int)
    found, _ = optimizer._norm(0, none, [gradients], False)
    wanted, _ = local_multi_tensor_l2_norm(0, none, [gradients], False)
    assert found.shape == wanted.shape == (1,)
    assert torch.allclose(found, wanted)
    clipped = [gradient.clone() for gradient in gradients]
    optimizer._scale(0, none, [clipped, clipped], 0.25)
    assert all(torch.equal(ours, 0.25 * gradient) for ours, gradient in zip(clipped, gradients, strict=True))


def test_in_many_buckets_too_the_saved_state_is_each_weights_own(monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(DistributedDataParallelConfig, bucket_size=1000)
    monkeypatch.setattr(megatron, "overlaps", lambda: True)
    monkeypatch.setattr(megatron, "DistributedDataParallelConfig", small)
    engine = make()
    assert len(engine.models[0].buffers[0].buckets) > 3
    saved = engine.state(is_loading=False)
    parts = saved.pop("optimizer")["parts"].values()
    masters = [part for part in parts if part.key.startswith("optimizer.state.param.")]
    weights = {place_of(part): part.data for part in parts_of(saved)}
    assert len(masters) == len(weights)
    for master in masters:
        assert torch.equal(master.data.squeeze(0), weights[place_of(master)])


def parts_of(sharded: Any) -> list[ShardedTensor]:
    box = {"sharded": sharded}
    apply_factories(box)
    return list(nested_values(box))


def place_of(part: ShardedTensor) -> tuple[str, Any]:
    """Return which tensor it is, and which part of it."""
    return part.key.removeprefix("optimizer.state.param."), part.global_offset
