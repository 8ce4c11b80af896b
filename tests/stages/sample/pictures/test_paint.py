"""Painting: what a scene says is what its pixels show, where its boxes say."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.sample.draw import Draw
from stages.sample.pictures.canvas import COLOURS, Box
from stages.sample.pictures.paint import Boxed, painted
from stages.sample.pictures.scenes import OPPOSITE, SIDES, Animals, Flag, Pair, Scene, Side, Stall

SIZE = 64


def paint(scene: Scene, number: int = 0, is_clear: bool = False) -> tuple[NDArray[np.uint8], list[Boxed]]:
    image, boxes = painted(scene, SIZE, Draw("test", number), is_clear)
    return np.asarray(image), boxes


def commonest(pixels: NDArray[np.uint8], box: Box) -> str:
    """Return the colour of the world that most pixels within a box are near to."""
    left, top, right, bottom = (round(value * SIZE) for value in box)
    own = pixels[top:bottom, left:right, :3].reshape(-1, 1, 3).astype(int)
    away = np.abs(own - np.array(list(COLOURS.values()))).max(-1)
    near = away.argmin(-1)[away.min(-1) < 30]
    return list(COLOURS)[int(np.bincount(near, minlength=len(COLOURS)).argmax())]


def side_of(box: Box) -> Side:
    across, down = (box[0] + box[2]) / 2 - 0.5, (box[1] + box[3]) / 2 - 0.5
    if abs(across) > abs(down):
        return "left" if across < 0 else "right"
    return "top" if down < 0 else "bottom"


@pytest.mark.parametrize("count", range(1, 9))
def test_animals_are_as_many_as_their_boxes_apart_and_of_their_colour(count: int) -> None:
    for number, colour in enumerate(COLOURS):
        pixels, boxes = paint(Animals("hare", colour, count), number)
        assert [each.label for each in boxes] == ["hare"] * count
        assert all(commonest(pixels, each.box) == colour for each in boxes)
        for first, second in combinations([each.box for each in boxes], 2):
            apart = max(first[0] - second[2], second[0] - first[2], first[1] - second[3], second[1] - first[3])
            assert apart > -0.02


@pytest.mark.parametrize("side", SIDES)
def test_one_that_stands_at_a_side_is_there_and_the_first_of_a_pair_on_its_side_of_the_second(side: Side) -> None:
    for number in range(10):
        (alone,) = paint(Animals("horse", "blue", 1, side), number)[1]
        assert side_of(alone.box) == side
        pixels, (first, second) = paint(Pair(("wolf", "swan"), ("red", "black"), side), number)
        assert (first.label, second.label) == ("wolf", "swan")
        assert (side_of(first.box), side_of(second.box)) == (side, OPPOSITE[side])
        assert (commonest(pixels, first.box), commonest(pixels, second.box)) == ("red", "black")


@pytest.mark.parametrize("pattern", ["cross", "disc", "stripe", "diagonal", "border", "triangle"])
def test_a_flag_is_mostly_of_its_colour_and_shows_the_second(pattern: str) -> None:
    for number in range(4):
        pixels, (flag,) = paint(Flag("Alder", "green", pattern, "yellow"), number)
        assert commonest(pixels, flag.box) == "green"
        yellow = (np.abs(pixels[..., :3].astype(int) - COLOURS["yellow"]).max(-1) < 30).sum()
        assert yellow > 0.06 * SIZE**2


def test_a_stall_has_a_roof_of_its_colour_bread_and_a_board_that_differs_by_price() -> None:
    boards = []
    for price in "23456789":
        pixels, boxes = paint(Stall("purple", price), 1)
        named = {each.label: each.box for each in boxes}
        assert set(named) == {"roof", "bread", "board"}
        assert commonest(pixels, named["roof"]) == "purple"
        left, top, right, bottom = (round(value * SIZE) for value in named["board"])
        boards.append(pixels[top:bottom, left:right, :3].astype(int).sum(-1) < 330)
    for first, second in combinations(boards, 2):
        assert (first != second).sum() >= 12


def test_a_clear_ground_is_transparent_and_another_is_not() -> None:
    assert paint(Animals("fox", "red", 1), is_clear=True)[0][..., 3].min() == 0
    assert paint(Animals("fox", "red", 1))[0][..., 3].min() == 255
