"""The losses against worked numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from stages.align.ppo.losses import entropy, policy_loss, value_loss, without_padding
from stages.model import parallel
from stages.model.checkpoint.load import join_group
from stages.model.layers.cross_entropy import cross_entropy


@pytest.fixture(scope="module")
def group() -> Any:
    join_group()
    yield torch.distributed.group.WORLD
    parallel.stop()


def test_the_policys_loss_its_clipped_share_and_its_gradient() -> None:
    new = torch.tensor([-0.7, -1.3, -0.7, -1.3], dtype=torch.float64, requires_grad=True)
    loss, is_clipped = policy_loss(new, torch.full_like(new, -1.0), torch.tensor([1.0, 1, -1, -1]), 0.2)
    assert loss.tolist() == pytest.approx([-1.2, -0.740818, 1.349859, 0.8], abs=1e-6)
    assert loss.mean().item() == pytest.approx(0.052260, abs=1e-6)
    assert float(is_clipped.double().mean()) == 0.5
    loss.mean().backward()
    assert new.grad is not None
    assert new.grad.tolist() == pytest.approx([0, -0.185205, 0.337465, 0], abs=1e-6)


def test_a_large_ratio_with_a_negative_advantage_is_not_clipped_a_second_time() -> None:
    new = torch.log(torch.tensor([4.0], dtype=torch.float64))
    loss, _ = policy_loss(new, torch.zeros(1, dtype=torch.float64), torch.tensor([-1.0]), 0.2)
    assert loss.item() == pytest.approx(4.0)


def test_the_values_loss_is_the_larger_of_both() -> None:
    new, returns = torch.tensor([0.9, 0.4, 0.6]), torch.tensor([1.0, 1.0, 0.0])
    loss = value_loss(new, torch.full((3,), 0.5), returns, 0.2)
    assert loss.tolist() == pytest.approx([0.045, 0.18, 0.18], abs=1e-6)
    assert loss.mean().item() == pytest.approx(0.135, abs=1e-6)
    assert value_loss(new, torch.full((3,), 0.5), returns, None)[0].item() == pytest.approx(0.005)


def test_entropy_is_exact_and_padded_rows_have_no_probability(group: Any) -> None:
    logits = torch.zeros(2, 3, 8)
    assert entropy(logits, group).ravel().tolist() == pytest.approx([math.log(8)] * 6)
    cut = without_padding(torch.zeros(2, 3, 8), 4, group)
    assert entropy(cut, group).sum().item() == pytest.approx(6 * math.log(4))
    skewed = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert entropy(skewed, group).item() == pytest.approx(-sum(p * math.log(p) for p in (0.5, 0.3, 0.15, 0.05)))


def test_log_probabilities_are_those_of_the_rows_that_stand_for_tokens(group: Any) -> None:
    draw = torch.Generator().manual_seed(1)
    drawn = torch.randn(5, 2, 8, generator=draw)
    labels = torch.randint(6, (5, 2), generator=draw)
    logits = drawn.clone().requires_grad_(True)
    losses = cross_entropy(without_padding(logits * 1.0, 6, group), labels, group)
    narrow = drawn[..., :6].clone().requires_grad_(True)
    wanted = torch.nn.functional.cross_entropy(narrow.reshape(-1, 6), labels.reshape(-1), reduction="none")
    assert losses.reshape(-1).tolist() == pytest.approx(wanted.tolist(), abs=1e-6)
    losses.sum().backward()
    wanted.sum().backward()
    assert logits.grad is not None
    assert narrow.grad is not None
    assert torch.allclose(logits.grad[..., :6], narrow.grad.view(5, 2, 6), atol=1e-6)
    assert not logits.grad[..., 6:].any()
