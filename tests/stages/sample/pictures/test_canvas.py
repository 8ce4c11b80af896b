"""The canvas: colours that cannot be confused, boxes of what is drawn, noise that repeats."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from PIL import Image

from stages.sample.pictures.animals import SILHOUETTES
from stages.sample.pictures.canvas import COLOURS, Canvas, edge_of, noisy, rectangle, tones
from stages.sample.pictures.outlines import Placed, Tone
from stages.sample.world import ATTRIBUTES


def apart(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def test_the_worlds_colours_are_far_apart_and_every_edge_and_piece_is_seen() -> None:
    assert set(COLOURS) == set(ATTRIBUTES["colour"])
    assert min(apart(COLOURS[a], COLOURS[b]) for a, b in combinations(COLOURS, 2)) > 80
    for colour in COLOURS.values():
        assert apart(colour, edge_of(colour)) > 80
        assert all(apart(colour, tones(colour)[tone]) > 40 for tone in (Tone.PALE, Tone.DARK))


def test_a_box_holds_the_figure_and_what_is_not_drawn_is_transparent() -> None:
    canvas = Canvas(64)
    placed = Placed(centre=(0.3, 0.6), side=0.4, degrees=10)
    left, top, right, bottom = canvas.figure(SILHOUETTES["fox"], COLOURS["red"], placed)
    alpha = np.asarray(canvas.finished().getchannel("A"))
    rows, columns = np.nonzero(alpha > 200)
    assert abs(columns.min() - left * 64) <= 2 and abs(columns.max() + 1 - right * 64) <= 2
    assert abs(rows.min() - top * 64) <= 2 and abs(rows.max() + 1 - bottom * 64) <= 2
    assert alpha[0, 0] == 0


def test_a_filled_outline_has_its_colour() -> None:
    canvas = Canvas(16)
    canvas.fill(rectangle(0, 0, 1, 0.5), (1, 2, 3))
    pixels = np.asarray(canvas.finished())
    assert pixels[3, 8].tolist() == [1, 2, 3, 255]
    assert pixels[12, 8].tolist() == [0, 0, 0, 0]


def test_noise_repeats_by_name_and_stays_within_its_amount() -> None:
    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    first, again, other = (np.asarray(noisy(grey, 9, *name)).astype(int) for name in ((1, "a"), (1, "a"), (1, "b")))
    assert (first == again).all() and (first != other).any()
    assert 7 <= np.abs(first - 128).max() <= 9
    assert abs(first.mean() - 128) < 0.5
