"""The router by hand: its two losses, who is dropped, and what is counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from megatron.core.models.gpt import GPTModel
from torch import Tensor

from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise
from stages.model.layers.experts import ExpertLoad, Router, loads
from stages.shared.task import Ranks
from tests.stages.model.saved import SMALL, VOCAB_SIZE

LOG3 = math.log(3)


def build(moe: dict[str, Any], **how: Any) -> GPTModel:
    parallel.start(Ranks())
    config = ModelConfig(**SMALL.model_dump() | {"moe": moe})
    model = build_model(config, VOCAB_SIZE, **how)
    initialise(model, config, 1)
    return model


def route(moe: dict[str, Any], logits: Tensor, **how: Any) -> tuple[Router, Tensor, Tensor, Tensor]:
    """Return a router, its weights and choices for the scores [T, B, E], and its losses' gradient to the scores."""
    router = build(moe, **how).decoder.layers[0].mlp.router
    logits = logits.clone().requires_grad_()
    weights, goes = router.routing(logits)
    (weights.sum() * 0).backward()
    return router, weights, goes, logits.grad


def gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(logits), logits)[0]


def balance(logits: Tensor, top_k: int) -> Tensor:
    """Return E x sum of f_i P_i (arXiv:2101.03961, equation 4) of scores [N, E]."""
    chosen = torch.zeros_like(logits).scatter(1, logits.topk(top_k).indices, 1.0)
    share = chosen.sum(0) / chosen.sum()
    return logits.size(1) * (share * logits.softmax(-1).mean(0)).sum()


def test_the_balancing_loss_by_hand() -> None:
    # Three tokens give expert 0 a probability of 3/4, one gives it 1/4: f = (3/4, 1/4) and P = (5/8, 3/8).
    logits = torch.tensor([[LOG3, 0.0]] * 3 + [[0.0, LOG3]])
    assert balance(logits, 1).item() == pytest.approx(2 * (3 / 4 * 5 / 8 + 1 / 4 * 3 / 8))
    *_, ours = route({"num_experts": 2, "top_k": 1, "aux_loss": 0.5}, logits[:, None])
    # A sum over 4 tokens: the loop divides all gradients by the labels.
    assert (ours[:, 0] - gradient(lambda x: 0.5 * 4 * balance(x, 1), logits)).abs().max() < 1e-6
    assert ours.abs().max() > 0.05


@pytest.mark.parametrize("top_k", [1, 2])
def test_each_sequence_may_be_balanced_by_itself(top_k: int) -> None:
    logits = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(1))
    moe = {"num_experts": 4, "top_k": top_k, "aux_loss": 0.5}
    *_, each = route(moe | {"balance": "sequence"}, logits)
    *_, together = route(moe, logits)
    expected = gradient(lambda x: 0.5 * 6 * sum(balance(x[:, b], top_k) for b in range(3)), logits)
    assert (each - expected).abs().max() < 1e-6
    expected = gradient(lambda x: 0.5 * 18 * balance(x.flatten(0, 1), top_k), logits)
    assert (together - expected).abs().max() < 1e-6


def test_the_z_loss_by_hand() -> None:
    # The log-partitions are ln 4 and 0.
    logits = torch.tensor([[[LOG3, 0.0]], [[-math.log(2), -math.log(2)]]])
    *_, ours = route({"num_experts": 2, "top_k": 1, "aux_loss": 0.0, "z_loss": 0.1}, logits)
    expected = torch.tensor([[0.1 * 2 * math.log(4) * 3 / 4, 0.1 * 2 * math.log(4) / 4], [0.0, 0.0]])
    assert (ours[:, 0] - expected).abs().max() < 1e-6


def test_a_full_expert_keeps_the_tokens_that_want_it_most() -> None:
    wishes = torch.tensor([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])[:, None]
    moe = {"num_experts": 2, "top_k": 2, "aux_loss": 0.0, "capacity_factor": 0.5}  # ceil(4 x 2 / 2 x 0.5) = 2
    router, weights, goes, _ = route(moe, wishes)
    assert goes.tolist() == [[True, False], [False, True], [True, False], [False, True]]
    kept = wishes[:, 0].softmax(-1)
    assert (weights - kept * goes).abs().max() < 1e-6  # what is lost is not made up for
    assert (router.asked, router.given_E.tolist()) == (8, [2, 2])


def test_capacity_is_for_training_alone() -> None:
    moe = {"num_experts": 4, "top_k": 2, "capacity_factor": 0.6}
    tokens = torch.randint(VOCAB_SIZE, (2, 24), generator=torch.Generator().manual_seed(1))
    places = torch.arange(24).expand(2, 24)
    tight, free = build(moe), build(moe | {"capacity_factor": None})
    with torch.no_grad():
        assert (tight(tokens, places, None) - free(tokens, places, None)).abs().max() > 1e-3
        tight.eval(), free.eval()
        assert torch.equal(tight(tokens, places, None), free(tokens, places, None))


def test_a_token_without_experts_passes_unchanged() -> None:
    model = build({"num_experts": 2, "top_k": 1, "capacity_factor": 0.01})  # one token an expert
    states = torch.randn(24, 1, SMALL.dim, generator=torch.Generator().manual_seed(1))
    output, _ = model.decoder.layers[0].mlp(states)
    assert (output.abs().sum(-1) > 0).sum() == 2


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
def test_tokens_are_counted_once_a_layer(recompute: str) -> None:
    model = build({"num_experts": 4, "top_k": 2, "capacity_factor": 0.5}, recompute=recompute)
    tokens = torch.randint(VOCAB_SIZE, (2, 24), generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        model(tokens, torch.arange(24).expand(2, 24), None).sum().backward()
    routers = [layer.mlp.router for layer in model.decoder.layers]
    assert [router.asked for router in routers] == [2 * 96] * SMALL.num_layers
    given = [router.given_E.tolist() for router in routers]
    assert loads([model]) == [ExpertLoad(1 - sum(each) / 192, max(each) * 4 / sum(each)) for each in given]
    assert max(given[0]) == 2 * 12  # of 2 microbatches
    assert loads([model]) == [ExpertLoad(0.0, 0.0)] * SMALL.num_layers
