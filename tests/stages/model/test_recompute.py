"""A block that forgets and recomputes: the same numbers, and less kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from megatron.core.models.gpt import GPTModel
from torch import Tensor

from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.decoder import Recompute, build_model, initialise
from stages.shared.task import Ranks
from tests.stages.model.saved import SMALL, VOCAB_SIZE

GLM = {"norm": "layernorm", "activation": "gelu", "bias": True}
EXPERTS = {"moe": {"num_experts": 4}}


def make(recompute: Recompute, **changes: Any) -> GPTModel:
    parallel.start(Ranks())
    config = ModelConfig(**SMALL.model_dump(exclude={"extra_tokens"}) | changes)
    model = build_model(config, VOCAB_SIZE, recompute=recompute)
    initialise(model, config, 1)
    return model


def forward(model: GPTModel) -> tuple[Tensor, int]:
    """Return a loss, and the bytes that the graph behind it keeps beside the weights."""
    tokens = torch.randint(VOCAB_SIZE, (2, SMALL.seq_len), generator=torch.Generator().manual_seed(2))
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        loss = model(tokens, torch.arange(tokens.size(1)).expand_as(tokens), None).square().sum()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in kept}
    return loss, sum(size for address, size in storages.items() if address not in weights)


@pytest.mark.parametrize("recompute", ["selective", "full"])
@pytest.mark.parametrize("changes", [{}, GLM, EXPERTS], ids=["llama", "glm", "experts"])
def test_gradients_are_the_same_to_the_bit(changes: dict[str, Any], recompute: Recompute) -> None:
    plain, forgetful = make("none", **changes), make(recompute, **changes)
    for model in (plain, forgetful):
        forward(model)[0].backward()
    for one, other in zip(plain.parameters(), forgetful.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_norms_and_activations_are_forgotten() -> None:
    (_, whole), (_, selective), (_, full) = (forward(make(kind)) for kind in ("none", "selective", "full"))
    tokens = 4 * 2 * SMALL.seq_len * SMALL.num_layers
    assert whole - selective >= tokens * (2 * SMALL.dim + SMALL.ffn)  # outputs of the norms and of the activation
    assert full < selective / 3
