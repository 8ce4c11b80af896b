"""CLIP's loss: by hand, and what is no negative."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from stages.model import parallel
from stages.shared.task import Ranks
from stages.train.objectives.contrastive import contrastive_loss


def towers() -> torch.Tensor:
    parallel.start(Ranks())
    draw = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    return (F.normalize(draw, dim=-1) * torch.tensor([3.0, 1.0])[:, None, None]).requires_grad_()


def numbers(*given: int) -> torch.Tensor:
    return torch.tensor(given)


def test_it_is_the_mean_of_both_directions() -> None:
    output = towers()
    found = contrastive_loss(output, numbers(1, 2, 3, 4), numbers(1, 2, 3, 4))
    logits, labels = output[0] @ output[1].t(), torch.arange(4)
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2
    assert found.total.item() / found.count == pytest.approx(expected.item(), abs=1e-6)
    (ours,) = torch.autograd.grad(found.total, output, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected * 4, output)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert found.metrics["scale"].tolist() == pytest.approx([12.0, 4.0])


@pytest.mark.parametrize(
    ("caption", "picture"), [((1, 2, 1, 4), (1, 2, 3, 4)), ((1, 2, 3, 4), (1, 2, 1, 4))], ids=["caption", "picture"]
)
def test_an_equal_caption_or_picture_is_no_negative(caption: tuple[int, ...], picture: tuple[int, ...]) -> None:
    output = towers()
    found = contrastive_loss(output, numbers(*caption), numbers(*picture))
    logits = (output[0] @ output[1].t()).detach().clone()
    logits[0, 2] = logits[2, 0] = -math.inf
    expected = sum(F.cross_entropy(each, torch.arange(4), reduction="sum") for each in (logits, logits.t())) / 2
    assert found.total.item() == pytest.approx(float(expected), abs=1e-5)


def test_a_pair_without_a_negative_has_no_loss() -> None:
    output = towers()
    found = contrastive_loss(output, numbers(1, 1, 1, 1), numbers(1, 2, 3, 4))
    assert (found.total.item(), found.count.item()) == (0.0, 0)
    found.total.backward()
    assert output.grad is not None
    assert not output.grad.any()
    one = contrastive_loss(output[:, :1], numbers(1), numbers(1))
    assert (one.total.item(), one.count.item()) == (0.0, 0)
