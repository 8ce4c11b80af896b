"""Model, gradient buffers and optimizer in one process."""

from __future__ import annotations

import torch

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.contract import Ranks
from stages.train.parts import build_parts

SMALL = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}


def test_norms_are_exempt_from_weight_decay_and_the_rate_reaches_every_group() -> None:
    parallel.start(Ranks())
    parts = build_parts(PretrainConfig(tokens="x", tokenizer="x", model=SMALL), 300)
    parts.set_lr(0.25)
    groups = parts.optimizer.param_groups
    assert {group["lr"] for group in groups} == {0.25}
    decayed = {group["wd_mult"]: sum(weight.numel() for weight in group["params"]) for group in groups}
    gains = 5 * 32
    assert decayed == {1.0: count(parts.core) - gains, 0.0: gains}


def test_one_update_is_adamws() -> None:
    parallel.start(Ranks())
    config = PretrainConfig(tokens="x", tokenizer="x", model=SMALL, optimizer={"clip_grad": 1e6})
    parts = build_parts(config, 300)
    parts.set_lr(0.01)
    weight = parts.core.decoder.layers[0].mlp.linear_fc2.weight
    before = weight.detach().clone()
    parts.model.zero_grad_buffer()
    tokens = torch.randint(300, (2, 8), generator=torch.Generator().manual_seed(1))
    losses = parts.model(tokens, torch.arange(8).expand(2, 8), None, labels=tokens)
    losses.sum().backward()
    gradient = weight.main_grad.clone()
    parts.optimizer.step()
    # The first step of AdamW: bias correction makes it the gradient's sign, beside the decay of 0.1 x lr.
    expected = before * (1 - 0.01 * 0.1) - 0.01 * gradient / (gradient.abs() + 1e-8)
    assert (weight - expected).abs().max() < 1e-6


def count(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())
