"""Statistics that more than one stage needs."""

from __future__ import annotations

import pytest

from stages.shared.statistics import holm, wilson


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_share_has_wilsons_interval_also_at_its_ends() -> None:
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    low, high = wilson(1.0, 20)
    assert (low, high) == (pytest.approx(0.8389, abs=1e-4), 1.0)
