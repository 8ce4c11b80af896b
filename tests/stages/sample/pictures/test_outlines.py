"""Outlines: placed and turned as asked."""

from __future__ import annotations

import pytest

from stages.sample.pictures.outlines import Placed, Tone, oval, pieces, shape, stroke


def test_an_outline_is_turned_clockwise_and_placed() -> None:
    corner = shape((1.0, 0.5))
    assert Placed(centre=(0.3, 0.4), side=0.2).of(corner) == [pytest.approx((0.4, 0.4))]
    assert Placed(centre=(0.3, 0.4), side=0.2, degrees=90).of(corner) == [pytest.approx((0.3, 0.5))]


def test_an_oval_has_its_radii_and_a_stroke_its_width_and_round_ends() -> None:
    across, down = zip(*oval(0.5, 0.4, 0.2, 0.1), strict=True)
    assert (min(across), max(across), min(down), max(down)) == pytest.approx((0.3, 0.7, 0.3, 0.5))
    lines = stroke(0.1, (0.2, 0.5), (0.6, 0.5), (0.6, 0.9))
    across, down = zip(*lines[0], strict=True)
    assert len(lines) == 2
    assert (min(across), max(across), min(down), max(down)) == pytest.approx((0.15, 0.65, 0.45, 0.55))


def test_pieces_take_outlines_and_strokes_alike() -> None:
    found = pieces(Tone.DARK, oval(0, 0, 1, 1), stroke(0.1, (0, 0), (1, 1), (0, 1)))
    assert [piece.tone for piece in found] == [Tone.DARK] * 3
