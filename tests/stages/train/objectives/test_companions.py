"""Negatives of a step: equal captions and pictures are none."""

from __future__ import annotations

import torch

from stages.model import parallel
from stages.shared.task import Ranks
from stages.train.objectives.companions import Companions, gathered, gathered_to_learn


def test_an_equal_caption_or_picture_is_hidden_and_a_pair_itself_is_not() -> None:
    parallel.start(Ranks())
    pairs = Companions.of(torch.tensor([1, 2, 1, 4]), torch.tensor([1, 2, 3, 2]))
    assert pairs.is_hidden_BA.nonzero().tolist() == [[0, 2], [1, 3], [2, 0], [3, 1]]
    assert pairs.own_B.tolist() == [0, 1, 2, 3]
    assert pairs.has_negative_B.all()
    assert not Companions.of(torch.tensor([1, 1]), torch.tensor([1, 2])).has_negative_B.any()


def test_one_process_gathers_its_own_rows_and_their_gradient() -> None:
    parallel.start(Ranks())
    own = torch.randn(3, 2, requires_grad=True)
    assert torch.equal(gathered(own.detach()), own)
    (found,) = torch.autograd.grad((gathered_to_learn(own) * torch.arange(6.0).view(3, 2)).sum(), own)
    assert torch.equal(found, torch.arange(6.0).view(3, 2))
