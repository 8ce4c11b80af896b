"""The losses of direct preference optimisation, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from stages.train.objectives.direct_preference import DirectLoss


def value_and_gradient(loss: DirectLoss, gap: float) -> tuple[float, float]:
    gaps = torch.tensor([gap], dtype=torch.float64, requires_grad=True)
    found = loss(gaps)
    found.backward()
    assert gaps.grad is not None
    return found.item(), gaps.grad.item()


def test_a_policy_that_is_its_reference_has_the_loss_of_a_coin() -> None:
    loss, gradient = value_and_gradient(DirectLoss(beta=0.1), 0.0)
    assert loss == pytest.approx(math.log(2))
    assert gradient == pytest.approx(-0.05)  # beta times one half: the better response's probability rises


def test_the_loss_is_that_of_the_scaled_gap() -> None:
    assert value_and_gradient(DirectLoss(beta=0.5), 2.0)[0] == pytest.approx(math.log(1 + math.exp(-1.0)))
    assert value_and_gradient(DirectLoss(beta=1.0), -200.0)[0] == 200.0


def test_smoothed_labels_stop_the_gap_where_their_share_says() -> None:
    loss = DirectLoss(beta=1.0, label_smoothing=0.2)
    _, gradient = value_and_gradient(loss, math.log(0.8 / 0.2))
    assert gradient == pytest.approx(0.0, abs=1e-12)


def test_ipo_wants_a_gap_of_half_the_inverse_of_beta() -> None:
    loss = DirectLoss(kind="ipo", beta=0.1)
    assert value_and_gradient(loss, 5.0) == (0.0, 0.0)
    assert value_and_gradient(loss, 4.0) == (pytest.approx(1.0), pytest.approx(-2.0))
