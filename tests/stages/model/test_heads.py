"""Heads in the place of the output layer."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.decoder import Decoder, build_model, initialise
from stages.shared.errors import ConfigError
from stages.shared.task import Ranks

SHAPE = {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 48, "seq_len": 8}
TOKENS, PLACES = torch.arange(16).view(2, 8), torch.arange(8).expand(2, 8)


def make(head: Literal["lm", "scalar", "none"]) -> Decoder:
    parallel.start(Ranks())
    config = ModelConfig(**SHAPE, head=head)
    model = build_model(config, 300)
    initialise(model, config, seed=1)
    assert sum(weight.numel() for weight in model.parameters()) == config.num_parameters(384)
    return model


def test_heads_see_the_same_hidden_states() -> None:
    hidden, scores, logits = (make(head)(TOKENS, PLACES) for head in ("none", "scalar", "lm"))
    assert (hidden.shape, scores.shape, logits.shape) == ((2, 8, 32), (2, 8, 1), (2, 8, 384))
    assert torch.allclose(scores, hidden @ make("scalar").output_layer.weight.t(), atol=1e-6)
    assert torch.allclose(logits, hidden @ make("lm").output_layer.weight.t(), atol=1e-5)


def test_another_head_is_tied_to_no_embedding() -> None:
    with pytest.raises(ConfigError, match=r"model\.tied_embeddings = True: must be false with head scalar"):
        ModelConfig(**SHAPE, head="scalar", tied_embeddings=True)
