"""Scores of answers by their votes, with the published table."""

from __future__ import annotations

import math

import pytest

from stages.align.preferences.votes import askell_score, whole
from stages.formats.chat.rejects import Reject


def test_votes_have_the_published_scores() -> None:
    votes = (-3, 0, 1, 2, 3, 5, 10, 11, 100)
    assert [askell_score(each, False) for each in votes] == [-1, 0, 1, 2, 2, 3, 3, 4, 7]
    assert [askell_score(each, True) for each in votes] == [0, 1, 2, 3, 3, 4, 4, 5, 8]
    assert all(askell_score(each, False) == round(math.log2(1 + each)) for each in range(5000))
    assert askell_score(2**60, False) == 60


@pytest.mark.parametrize("value", [None, True, "x", 1.5, math.inf, math.nan, [1], "1e999"])
def test_votes_that_are_no_whole_number_are_rejected(value: object) -> None:
    with pytest.raises(Reject, match="not_a_number"):
        whole(value, "score")


def test_whole_numbers_are_read_as_they_are_published() -> None:
    assert [whole(value, "score") for value in (3, "-12", 12.0, 2**70)] == [3, -12, 12, 2**70]
