"""Paints a scene: a ground of pale colours, the things with small turns, and their boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import product
from typing import Any

from PIL import Image

from stages.sample.draw import Draw
from stages.sample.pictures.animals import SILHOUETTES
from stages.sample.pictures.canvas import COLOURS, Box, Canvas, Colour, box_of, edge_of, mixed, rectangle
from stages.sample.pictures.outlines import Outline, Placed, Point, oval, shape, stroke
from stages.sample.pictures.scenes import FEW, Animals, Flag, Pair, Scene, Side, Stall

SKIES: tuple[Colour, ...] = ((188, 208, 224), (222, 206, 184), (206, 198, 214), (196, 204, 204), (214, 214, 206))
GROUNDS: tuple[Colour, ...] = ((176, 190, 160), (202, 184, 152), (178, 178, 178), (190, 176, 168))
WOOD: Colour = (150, 122, 96)
BOARD: Colour = (236, 228, 206)
CRUST: Colour = (206, 152, 84)
INK: Colour = (40, 34, 30)
MOST_DEGREES = 6
LIGHT = 14
"""Most by which the light changes a value of a colour."""
_DIGITS: dict[str, tuple[Point, ...]] = {
    "2": ((0.1, 0.25), (0.3, 0.04), (0.7, 0.04), (0.9, 0.25), (0.82, 0.45), (0.1, 0.96), (0.92, 0.96)),
    "3": ((0.1, 0.08), (0.6, 0.04), (0.88, 0.24), (0.45, 0.46), (0.9, 0.7), (0.62, 0.95), (0.08, 0.9)),
    "4": ((0.72, 0.98), (0.72, 0.04), (0.08, 0.68), (0.95, 0.68)),
    "5": ((0.86, 0.04), (0.18, 0.04), (0.14, 0.44), (0.62, 0.42), (0.9, 0.66), (0.66, 0.95), (0.1, 0.92)),
    "6": ((0.78, 0.04), (0.3, 0.3), (0.1, 0.7), (0.4, 0.96), (0.8, 0.86), (0.86, 0.62), (0.55, 0.5), (0.14, 0.66)),
    "7": ((0.08, 0.04), (0.92, 0.04), (0.4, 0.98)),
    "8": (
        *((0.5, 0.45), (0.18, 0.24), (0.5, 0.03), (0.82, 0.24), (0.5, 0.45)),
        *((0.1, 0.72), (0.5, 0.97), (0.9, 0.72), (0.5, 0.45)),
    ),
    "9": ((0.22, 0.96), (0.7, 0.7), (0.9, 0.3), (0.6, 0.04), (0.2, 0.14), (0.14, 0.38), (0.45, 0.5), (0.86, 0.34)),
}


@dataclass(frozen=True)
class Boxed:
    """A thing and where it is on the picture."""

    label: str
    box: Box

    def record(self) -> dict[str, Any]:
        """Return the JSON value, as collections have it."""
        return {"label": self.label, "box": list(self.box)}


def painted(scene: Scene, size: int, draw: Draw, is_clear: bool) -> tuple[Image.Image, list[Boxed]]:
    """Return a picture in RGBA and what is on it; `is_clear`: the ground stays transparent."""
    canvas = Canvas(size)
    if not is_clear:
        _ground(canvas, draw)
    boxes = _paint(scene, canvas, draw)
    return canvas.finished(), boxes


def _ground(canvas: Canvas, draw: Draw) -> None:
    sky, ground = draw.pick(SKIES), draw.pick(GROUNDS)
    canvas.fill(rectangle(0, 0, 1, 1), sky)
    left, right = (draw.between(45, 90) / 100 for _ in range(2))
    canvas.fill(shape((0, left), (1, right), (1, 1), (0, 1)), ground)
    for _ in range(draw.below(6)):
        x, y = draw.between(5, 95) / 100, draw.between(88, 99) / 100
        tuft = mixed(ground, (0, 0, 0), 0.15)
        for lean in (-0.02, 0.02):
            canvas.fill(shape((x - 0.012, y), (x + 0.012, y), (x + lean, y - 0.06)), tuft)


@singledispatch
def _paint(scene: Scene, canvas: Canvas, draw: Draw) -> list[Boxed]:
    raise TypeError(scene)


def lit(colour: str, draw: Draw) -> Colour:
    """Return a colour as a picture has it."""
    change = draw.between(-LIGHT, LIGHT)
    red, green, blue = (min(255, max(0, value + change)) for value in COLOURS[colour])
    return red, green, blue


def _turned(draw: Draw, centre: Point, side: float) -> Placed:
    degrees = draw.between(-MOST_DEGREES, MOST_DEGREES)
    return Placed(centre=centre, side=side, degrees=degrees)


@_paint.register
def _animals(scene: Animals, canvas: Canvas, draw: Draw) -> list[Boxed]:
    colour = lit(scene.colour, draw)
    return [
        Boxed(scene.animal, canvas.figure(SILHOUETTES[scene.animal], colour, placed)) for placed in _places(scene, draw)
    ]


def _places(scene: Animals, draw: Draw) -> list[Placed]:
    """Return where animals stand: a single one at its side, others in cells that do not overlap."""
    if scene.side is not None:
        return [_turned(draw, _at(scene.side, draw), draw.between(42, 48) / 100)]
    cells = 2 if scene.count <= FEW else 3
    places = draw.sample(list(product(range(cells), range(cells))), scene.count)
    return [_in_cell(draw, place, cells) for place in places]


def _in_cell(draw: Draw, place: tuple[int, int], cells: int) -> Placed:
    side = draw.between(80, 92) / 100
    across, down = ((each + 0.5 + draw.between(-100, 100) / 200 * (1 - side)) / cells for each in place)
    return _turned(draw, (across, down), side / cells)


def _at(side: Side, draw: Draw) -> Point:
    """Return a centre that is clearly at a side, and near the middle of the other direction."""
    near, middle = draw.between(24, 28) / 100, draw.between(44, 56) / 100
    far = 1 - near
    return {"left": (near, middle), "right": (far, middle), "top": (middle, near), "bottom": (middle, far)}[side]


@_paint.register
def _pair(scene: Pair, canvas: Canvas, draw: Draw) -> list[Boxed]:
    first = _at(scene.side, draw)
    second = (1 - first[0], 1 - first[1])
    boxes = []
    for animal, colour, centre in zip(scene.animals, scene.colours, (first, second), strict=True):
        placed = _turned(draw, centre, draw.between(40, 46) / 100)
        boxes.append(Boxed(animal, canvas.figure(SILHOUETTES[animal], lit(colour, draw), placed)))
    return boxes


def _disc() -> list[Outline]:
    return [oval(0.5, 0.5, 0.22, 0.33)]


def _border() -> list[Outline]:
    edges = (rectangle(0, 0, 1, 0.16), rectangle(0, 0.84, 1, 1), rectangle(0, 0, 0.11, 1), rectangle(0.89, 0, 1, 1))
    return list(edges)


_PATTERNS: dict[str, list[Outline]] = {
    "cross": [rectangle(0.42, 0, 0.58, 1), rectangle(0, 0.39, 1, 0.61)],
    "disc": _disc(),
    "stripe": [rectangle(0, 0.36, 1, 0.64)],
    "diagonal": [shape((0, 0.76), (0.84, 0), (1, 0), (1, 0.24), (0.16, 1), (0, 1))],
    "border": _border(),
    "triangle": [shape((0, 0), (0.45, 0.5), (0, 1))],
}
"""The outlines of a pattern on a flag of width and height 1."""
_SAMPLES = 12
"""Points on each side of an outline, so that it waves as the flag does."""


@_paint.register
def _flag(scene: Flag, canvas: Canvas, draw: Draw) -> list[Boxed]:
    wave, phase = draw.between(1, 4) / 100, draw.between(0, 62) / 10
    placed = _turned(draw, (0.5, 0.5), draw.between(84, 94) / 100)
    upright = Placed(centre=placed.centre, side=placed.side, degrees=placed.degrees / 2)
    top, height = draw.between(8, 20) / 100, draw.between(50, 58) / 100

    def waved(outline: Outline) -> list[Point]:
        dense = [point for pair in zip(outline, (*outline[1:], outline[0]), strict=True) for point in _between(*pair)]
        moved = [(0.1 + 0.86 * x, top + height * y + wave * math.sin(phase + 6 * x)) for x, y in dense]
        return upright.of(moved)

    for outline in stroke(0.045, (0.08, 0.03), (0.08, 0.98)):
        canvas.fill(upright.of(outline), mixed(WOOD, INK, 0.4))
    cloth, ground = waved(rectangle(0, 0, 1, 1)), lit(scene.colour, draw)
    canvas.edge(cloth, edge_of(ground), 0.04)
    canvas.fill(cloth, ground)
    second = lit(scene.second, draw)
    for outline in _PATTERNS[scene.pattern]:
        canvas.fill(waved(outline), second)
    return [Boxed("flag", box_of(cloth))]


def _between(start: Point, end: Point) -> list[Point]:
    shares = [step / _SAMPLES for step in range(_SAMPLES)]
    return [(start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share) for share in shares]


@_paint.register
def _stall(scene: Stall, canvas: Canvas, draw: Draw) -> list[Boxed]:
    placed = Placed(centre=(0.5, 0.5), side=draw.between(88, 96) / 100, degrees=draw.between(-4, 4))
    roof = lit(scene.colour, draw)

    def fill(outline: Outline, colour: Colour, edge: float = 0.0) -> Box:
        found = placed.of(outline)
        if edge:
            canvas.edge(found, edge_of(colour), edge)
        canvas.fill(found, colour)
        return box_of(found)

    for x in (0.1, 0.86):
        fill(rectangle(x, 0.2, x + 0.04, 0.95), WOOD)
    fill(rectangle(0.04, 0.72, 0.96, 0.95), WOOD, 0.03)
    whole = shape((0.12, 0.04), (0.88, 0.04), (1.0, 0.3), (0.0, 0.3))
    boxes = [Boxed("roof", fill(whole, roof, 0.035))]
    for x in (0.1, 0.3, 0.5, 0.7, 0.9):
        fill(oval(x, 0.3, 0.1, 0.06), roof)
    loaves: Sequence[float] = (0.56, 0.7, 0.84)
    found = [fill(oval(x, 0.68, 0.075, 0.055), CRUST, 0.02) for x in loaves]
    boxes.append(Boxed("bread", box_of(point for box in found for point in (box[:2], box[2:]))))
    left = draw.between(16, 20) / 100
    boxes.append(Boxed("board", fill(rectangle(left, 0.4, left + 0.28, 0.84), BOARD, 0.025)))
    for outline in stroke(0.17, *_DIGITS[scene.price]):
        fill(tuple((left + 0.06 + 0.16 * x, 0.46 + 0.32 * y) for x, y in outline), INK)
    return boxes
