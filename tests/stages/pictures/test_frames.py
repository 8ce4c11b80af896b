"""Frames and positions of sounds: published counts, and pieces that cover a long sound."""

from __future__ import annotations

import pytest

from stages.pictures.frames import Hearing


@pytest.mark.parametrize(
    ("samples", "frames", "positions"),
    [
        (100, 0, 0),
        (399, 2, 1),
        (1600, 10, 2),
        (8000, 50, 7),
        (16_000, 100, 13),
        (32_000, 200, 25),
        (160_000, 1000, 125),
    ],
)
def test_published_counts_of_a_conformer(samples: int, frames: int, positions: int) -> None:
    hearing = Hearing()
    assert (hearing.frames(samples), hearing.positions(samples)) == (frames, positions)
    assert Hearing(stack=4).positions(samples) == -(-positions // 4)


@pytest.mark.parametrize("samples", [0, 1, 159, 480_000, 480_001, 1_234_567])
def test_pieces_cover_a_sound_once_and_none_is_too_long(samples: int) -> None:
    pieces = Hearing().pieces(samples)
    assert [piece[0] for piece in pieces[1:]] == [piece[1] for piece in pieces[:-1]]
    assert sum(last - first for first, last in pieces) == samples
    assert all(last - first <= 480_000 for first, last in pieces)
    assert all(first % 160 == 0 for first, _ in pieces)


def test_settings_that_hold_no_frame_are_refused() -> None:
    with pytest.raises(ValueError, match="a piece must hold a frame"):
        Hearing(max_samples=159)
