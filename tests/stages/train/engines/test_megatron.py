"""Model, gradient buffers and optimizer in one process."""

from __future__ import annotations

from typing import Any

import torch

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.contract import Ranks
from stages.train.engine import drawn
from stages.train.engines.megatron import MegatronEngine
from stages.train.objectives import Batch, next_token

SMALL = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}


def make(**settings: Any) -> MegatronEngine:
    parallel.start(Ranks())
    config = PretrainConfig(tokens="x", tokenizer="x", model=SMALL, microbatch=2, **settings)
    return MegatronEngine(config, 300, drawn(config))


def batch() -> Batch:
    tokens = torch.randint(300, (2, 8), generator=torch.Generator().manual_seed(1))
    places = torch.arange(8).expand(2, 8)
    return {"tokens": tokens, "labels": tokens, "position_ids": places, "loss_mask": torch.ones(2, 8)}


def test_norms_are_exempt_from_weight_decay_and_the_rate_reaches_every_group() -> None:
    engine = make()
    engine.accumulate(next_token, iter([batch()]), 1)
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
    engine.accumulate(next_token, iter([batch()]), 1)
    gradient = weight.main_grad.clone()
    engine.gradient_norm()
    engine.update(0.01)
    # The first step of AdamW: bias correction makes it the gradient's sign, beside the decay of 0.1 x lr.
    expected = before * (1 - 0.01 * 0.1) - 0.01 * gradient / (gradient.abs() + 1e-8)
    assert (weight - expected).abs().max() < 1e-6


def test_the_norm_is_the_whole_gradients_and_a_longer_one_is_clipped() -> None:
    engine = make(optimizer={"clip_grad": 1e-3})
    engine.accumulate(next_token, iter([batch()]), 1)
    whole = torch.cat([weight.main_grad.flatten() for weight in engine.chunks[0].parameters()]).norm()
    assert abs(engine.gradient_norm() - whole) < 1e-5
    engine.update(0.01)
    clipped = torch.cat([weight.grad.flatten() for weight in engine.optimizer.get_parameters()]).norm()
    assert abs(clipped - 1e-3) < 1e-8


def count(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())
