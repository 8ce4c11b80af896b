"""The weights that an engine starts from."""

from __future__ import annotations

import torch

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from tests.stages.train.engines.single import single

SMALL = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}


def test_weights_are_drawn_from_the_seed_unless_something_sets_them() -> None:
    parallel.start(Ranks())
    config = PretrainConfig(tokens="x", tokenizer="x", model=SMALL)
    one, same, ones = (
        single(config, set_weights).chunks[0].decoder.layers[1].mlp.linear_fc2.weight
        for set_weights in (None, None, lambda model: [weight.data.fill_(1) for weight in model.parameters()])
    )
    assert torch.equal(one, same)
    assert 0 < one.std() < 0.02
    assert torch.equal(ones, torch.ones_like(ones))
