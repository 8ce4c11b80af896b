from __future__ import annotations

import math
from fractions import Fraction

import pytest

from stages.tools.toolformer.filtering import WEIGHTS, Losses, positions, weighted_loss


def loss(*probabilities: float) -> float:
    return weighted_loss([math.log(each) for each in probabilities])


def test_the_weights_fall_to_nothing_after_five_tokens_and_sum_to_one() -> None:
    assert [Fraction(each).limit_denominator(100) for each in WEIGHTS] == [
        Fraction(share, 15) for share in (5, 4, 3, 2, 1)
    ]
    assert sum(WEIGHTS) == pytest.approx(1, abs=1e-12)
    assert loss(0.1, 0.1, 0.1, 0.1, 0.1, 1e-9) == loss(0.1, 0.1, 0.1, 0.1, 0.1)


def test_a_call_that_reveals_what_comes_is_kept_by_its_gain() -> None:
    found = Losses(plain=loss(*[0.1] * 5), bare=loss(*[0.2] * 5), full=loss(0.9, 0.5, 0.5, 0.5, 0.5))
    assert f"{found.plain:.6f} {found.bare:.6f} {found.full:.6f}" == "2.302585 1.609438 0.497218"
    assert f"{found.gain:.6f}" == "1.112220"  # the smaller loss without a result counts, here the bare call's
    assert 1.0 <= found.gain < 1.2


def test_a_call_that_changes_nothing_gains_nothing() -> None:
    same = loss(0.3, 0.4, 0.5)
    assert Losses(plain=same, bare=same, full=same).gain == 0


def test_weights_are_not_stretched_where_few_tokens_are_left() -> None:
    assert f"{loss(0.1, 0.1) - loss(0.9, 0.9):.6f}" == "1.318335"


@pytest.mark.parametrize(
    ("threshold", "most", "found"),
    [(0.05, 5, [1, 3, 4]), (0.05, 2, [1, 3]), (0.0, 9, [0, 1, 3, 4]), (0.3, 5, []), (0.2, 1, [1])],
)
def test_positions_are_the_likeliest_above_the_threshold(threshold: float, most: int, found: list[int]) -> None:
    assert positions([0.01, 0.3, 0.0, 0.3, 0.06], threshold, most) == found
