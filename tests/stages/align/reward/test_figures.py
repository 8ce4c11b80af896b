"""Numbers about a reward model, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stages.align.reward.figures import (
    Scored,
    ScoredPairs,
    by_distance,
    calibration_error,
    length_correlation,
    reliability,
    share,
)
from stages.formats.chat.reward_reports import Share


def scored(ranks: list[int], lengths: list[int], scores: list[float], prompt: int = 0) -> Scored:
    return Scored(
        ranks=np.array([(prompt, 0, rank) for rank in ranks], dtype=np.int32),
        lengths=np.array(lengths),
        scores=np.array(scores),
    )


def test_pairs_are_counted_by_the_distance_of_their_ranks() -> None:
    pairs = ScoredPairs.of([scored([1, 2, 3], [5, 6, 9], [2.0, 3.0, 1.0])])
    assert share(pairs.gaps) == Share(pairs=3, accuracy=pytest.approx(2 / 3))
    assert share(pairs.lengths).accuracy == 0.0  # the better ones are shorter
    assert by_distance(pairs) == {"1": Share(pairs=2, accuracy=0.5), "2": Share(pairs=1, accuracy=1.0)}


def test_a_model_that_knows_how_sure_it_is_has_no_calibration_error() -> None:
    gap = np.log(0.75 / 0.25)
    table = reliability(np.array([gap, gap, gap, -gap]))
    assert [(each.low, each.high, each.pairs) for each in table] == [(0.7, 0.8, 4)] or table[0].pairs == 4
    assert table[0].predicted == pytest.approx(0.75)
    assert calibration_error(table) == pytest.approx(0.0, abs=1e-12)
    assert calibration_error(reliability(np.array([gap] * 4))) == pytest.approx(0.25)
    assert calibration_error(reliability(np.zeros(0))) == 0.0


def test_certain_and_undecided_pairs_have_their_places_in_the_table() -> None:
    table = reliability(np.array([0.0, 500.0]))
    assert [(each.low, each.accuracy) for each in table] == [(0.5, 0.5), (0.95, 1.0)]


def test_a_long_prompt_is_no_long_answer() -> None:
    rows = [scored([1, 2], [10, 12], [0.0, 1.0]), scored([1, 2], [100, 102], [-5.0, -4.0], prompt=1)]
    assert length_correlation(rows) == pytest.approx(1.0)
    assert length_correlation([scored([1, 2], [4, 4], [0.0, 1.0])]) == 0.0
    assert length_correlation([]) == 0.0
