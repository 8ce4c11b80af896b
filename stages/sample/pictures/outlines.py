"""Outlines in a unit square: polygons of ovals, strokes and corners, and where they are placed on a picture.

x runs to the right and y down, as Pillow's pixels do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

Point = tuple[float, float]
Outline = tuple[Point, ...]
OVAL_POINTS = 24
CAP_POINTS = 6
"""Points of the half circle at an end of a stroke."""


class Tone(Enum):
    """What colours a piece."""

    BODY = "body"
    """The thing's own colour."""
    PALE = "pale"
    DARK = "dark"
    BEAK = "beak"


@dataclass(frozen=True)
class Piece:
    """A filled outline."""

    tone: Tone
    outline: Outline


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a unit square lies on a picture: turned by an angle about its centre."""

    centre: Point
    side: float
    degrees: float = 0.0

    def of(self, outline: Iterable[Point]) -> list[Point]:
        """Return an outline in the picture's coordinates."""
        angle = math.radians(self.degrees)
        cosine, sine = math.cos(angle) * self.side, math.sin(angle) * self.side
        moved = ((x - 0.5, y - 0.5) for x, y in outline)
        return [(self.centre[0] + cosine * x - sine * y, self.centre[1] + sine * x + cosine * y) for x, y in moved]


def shape(*corners: Point) -> Outline:
    """Return the polygon of its corners."""
    return corners


def oval(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> Outline:
    """Return an ellipse about a centre, with its radii before it is turned."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    steps = (2 * math.pi * step / OVAL_POINTS for step in range(OVAL_POINTS))
    points = ((across * math.cos(step), down * math.sin(step)) for step in steps)
    return tuple((x + cosine * a - sine * b, y + sine * a + cosine * b) for a, b in points)


def stroke(width: float, *points: Point) -> list[Outline]:
    """Return a line with round ends: an outline for each of its segments."""
    return [_capsule(start, end, width / 2) for start, end in pairwise(points)]


def _capsule(start: Point, end: Point, radius: float) -> Outline:
    heading = math.atan2(end[1] - start[1], end[0] - start[0])
    outline = []
    for centre, first in ((end, heading - math.pi / 2), (start, heading + math.pi / 2)):
        for step in range(CAP_POINTS + 1):
            angle = first + math.pi * step / CAP_POINTS
            outline.append((centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)))
    return tuple(outline)


def pieces(tone: Tone, *outlines: Outline | list[Outline]) -> list[Piece]:
    """Return pieces of one tone; a stroke may stand for its outlines."""
    flat: list[Piece] = []
    for each in outlines:
        flat += [Piece(tone, one) for one in each] if isinstance(each, list) else [Piece(tone, each)]
    return flat
