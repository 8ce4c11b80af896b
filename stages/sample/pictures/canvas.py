"""A canvas: outlines are filled at four times the size and averaged, so that edges are smooth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from stages.sample.draw import digest
from stages.sample.pictures.animals import Silhouette
from stages.sample.pictures.outlines import Outline, Placed, Point, Tone

SCALE = 4
"""Pixels of the canvas for one of the picture, along each side."""
EDGE = 0.06
"""Width of a thing's edge, of its side."""
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
COLOURS: dict[str, Colour] = {
    "red": (214, 38, 38),
    "blue": (36, 84, 216),
    "green": (36, 160, 62),
    "yellow": (246, 208, 36),
    "white": (252, 252, 252),
    "black": (22, 22, 24),
    "purple": (144, 52, 176),
    "brown": (128, 76, 34),
}
BEAK: Colour = (242, 150, 40)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """Return a colour between two; `share` is that of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def edge_of(colour: Colour) -> Colour:
    """Return the colour of an edge that is seen around a colour."""
    return mixed(colour, (0, 0, 0), 0.7) if max(colour) > 80 else (150, 150, 150)


def tones(colour: Colour) -> dict[Tone, Colour]:
    """Return the colours of a thing's pieces."""
    is_pale, is_dark = min(colour) > 200, max(colour) < 80
    return {
        Tone.BODY: colour,
        Tone.PALE: (205, 205, 205) if is_pale else mixed(colour, (255, 255, 255), 0.75),
        Tone.DARK: (120, 120, 120) if is_dark else mixed(colour, (0, 0, 0), 0.65),
        Tone.BEAK: BEAK,
    }


class Canvas:
    """A square picture in the making. Coordinates run from 0 to 1."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._side = size * SCALE
        self._image = Image.new("RGBA", (self._side, self._side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, outline: Iterable[Point], colour: Colour) -> None:
        """Fill an outline."""
        self._draw.polygon([self._pixel(point) for point in outline], fill=colour)

    def edge(self, outline: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw the edge of an outline; half of its width lies inside."""
        points = [self._pixel(point) for point in (*outline, outline[0])]
        self._draw.line(points, fill=colour, width=max(1, round(width * self._side)), joint="curve")

    def _pixel(self, point: Point) -> tuple[int, int]:
        return round(point[0] * self._side), round(point[1] * self._side)

    def figure(self, silhouette: Silhouette, colour: Colour, placed: Placed) -> Box:
        """Draw a silhouette with an edge around all of it, and return its box: left, top, right, bottom."""
        found = [(piece.tone, placed.of(piece.outline)) for piece in silhouette]
        for _, outline in found:
            self.edge(outline, edge_of(colour), EDGE * placed.side)
        for tone, outline in found:
            self.fill(outline, tones(colour)[tone])
        return box_of(point for _, outline in found for point in outline)

    def finished(self) -> Image.Image:
        """Return the picture at its size, in RGBA: transparent where nothing was drawn."""
        return self._image.reduce(SCALE)


def box_of(points: Iterable[Point]) -> Box:
    """Return the box of some points, within the picture."""
    across, down = zip(*points, strict=True)
    left, top, right, bottom = (
        round(min(max(value, 0.0), 1.0), 4) for value in (min(across), min(down), max(across), max(down))
    )
    return left, top, right, bottom


def rectangle(left: float, top: float, right: float, bottom: float) -> Outline:
    """Return a rectangle."""
    return (left, top), (right, top), (right, bottom), (left, bottom)


def noisy(image: Image.Image, amount: float, *parts: object) -> Image.Image:
    """Return an RGB picture with noise up to the amount on every value, drawn from the parts' texts.

    Noise is the sum of two even ones. It comes from a hash: a library's random numbers may change between versions.
    """
    pixels = np.asarray(image, np.float32)
    drawn = hashlib.shake_128(digest(*parts)).digest(2 * pixels.size)
    noise = np.frombuffer(drawn, np.uint8).reshape(2, *pixels.shape).astype(np.float32).sum(0) - 255.0
    return Image.fromarray((pixels + noise * np.float32(amount / 255.0)).round().clip(0, 255).astype(np.uint8))
