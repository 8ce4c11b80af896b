"""CTC at the positions of sounds: a case by hand, what has no loss, and the positions that are taught."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from stages.model import parallel
from stages.shared.task import Ranks
from stages.train.objectives.base import Batch, LossOutputs
from stages.train.objectives.heard import CTC, Ctc, LearnHeard, ctc_losses
from tests.stages.speech.train.world import settings

BLANK = 0


def batch(sounds: list[int], words: list[list[int]]) -> Batch:
    return {
        "sound_lengths": torch.tensor(sounds),
        "spoken": torch.tensor([token for each in words for token in each], dtype=torch.int64),
        "spoken_lengths": torch.tensor([len(each) for each in words]),
    }


def test_the_loss_sums_over_all_places_of_a_word() -> None:
    chances = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    found = ctc_losses(chances.log(), batch([2, 3], [[1], [2, 1]]), BLANK)
    one = 0.3 * 0.1 + 0.5 * 0.6 + 0.3 * 0.6  # word and blank, blank and word, the word twice
    # 2 1 -, 2 - 1, - 2 1, 2 2 1, 2 1 1
    two = 0.6 * 0.2 * 0.1 + 0.6 * 0.7 * 0.1 + 0.2 * 0.1 * 0.1 + 0.6 * 0.1 * 0.1 + 0.6 * 0.2 * 0.1
    assert found.tolist() == pytest.approx([-math.log(one), -math.log(two)], abs=1e-6)


def test_a_sound_without_words_and_one_that_is_too_short_have_no_loss() -> None:
    logits_SV = torch.randn(4, 5, requires_grad=True)
    found = ctc_losses(logits_SV, batch([2, 2], [[], [3, 3]]), BLANK)  # two equal tokens need a blank between them
    assert found.tolist() == [0.0, 0.0]
    found.sum().backward()
    assert logits_SV.grad is not None
    assert not logits_SV.grad.any()
    assert ctc_losses(logits_SV[:0], batch([], []), BLANK).tolist() == []


@pytest.mark.parametrize("scores_all", [False, True])
def test_a_sounds_own_positions_are_taught_its_words_and_no_others(scores_all: bool) -> None:
    parallel.start(Ranks())
    objective = LearnHeard(settings(), None, ["join"], lambda _: None, Ctc(0.5, BLANK))  # type: ignore[arg-type]
    objective.scores_all = scores_all
    placed_BT = torch.tensor([[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], dtype=torch.bool)
    learned_BT = torch.tensor([[0, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0]], dtype=torch.bool)
    given = {
        **batch([2, 3], [[1], [2, 1]]),
        "tokens": torch.zeros(2, 6, dtype=torch.int64),
        "is_placed": placed_BT.flatten(),
        "is_learned": learned_BT.flatten(),
    }
    all_BTV = torch.randn(2, 6, 4)
    scored = (placed_BT | learned_BT).t().flatten()
    output: Tensor = all_BTV if scores_all else all_BTV.transpose(0, 1).flatten(0, 1)[scored][None]

    def other(_: Tensor) -> LossOutputs:
        return LossOutputs(torch.tensor(7.0), torch.tensor(2.0))

    found = objective._loss(given, other, output)
    at_sounds_SV = torch.cat([all_BTV[0, 1:3], all_BTV[1, 3:6]])
    expected = float(ctc_losses(at_sounds_SV, given, BLANK).sum())
    assert float(found.total) == pytest.approx(7.0 + 0.5 * expected, abs=1e-5)
    assert found.metrics[CTC].tolist() == pytest.approx([expected, 3.0], abs=1e-5)
    assert float(found.count) == 2.0
