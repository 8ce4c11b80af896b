"""The animals of the world as silhouettes that differ at twenty pixels: each looks to the right in a unit square."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stages.sample.pictures.outlines import Piece, Tone, oval, pieces, shape, stroke

_EYE = 0.028
Silhouette = tuple[Piece, ...]


def _eye(x: float, y: float) -> list[Piece]:
    return pieces(Tone.DARK, oval(x, y, _EYE, _EYE))


def _legs(width: float, top: float, *places: float) -> list[Piece]:
    return pieces(Tone.BODY, *(stroke(width, (x, top), (x, 0.95)) for x in places))


_HERON = (
    *pieces(Tone.DARK, stroke(0.04, (0.4, 0.6), (0.43, 0.78), (0.4, 0.96)), stroke(0.04, (0.5, 0.6), (0.52, 0.96))),
    *pieces(Tone.BODY, oval(0.4, 0.53, 0.27, 0.13, -24), shape((0.02, 0.74), (0.3, 0.5), (0.34, 0.62))),
    *pieces(Tone.BODY, stroke(0.085, (0.58, 0.46), (0.7, 0.36), (0.62, 0.24), (0.68, 0.12))),
    *pieces(Tone.BEAK, shape((0.72, 0.05), (1.0, 0.15), (0.72, 0.16))),
    *pieces(Tone.BODY, oval(0.69, 0.1, 0.085, 0.06)),
    *pieces(Tone.DARK, shape((0.64, 0.04), (0.66, 0.09), (0.44, 0.1))),
    *_eye(0.72, 0.09),
)
_SWAN = (
    *pieces(Tone.BODY, oval(0.42, 0.7, 0.37, 0.2, 4), shape((0.0, 0.42), (0.34, 0.56), (0.1, 0.74))),
    *pieces(Tone.BODY, stroke(0.12, (0.7, 0.66), (0.82, 0.52), (0.72, 0.36), (0.7, 0.2), (0.78, 0.13))),
    *pieces(Tone.BEAK, shape((0.84, 0.08), (1.0, 0.2), (0.82, 0.2))),
    *pieces(Tone.BODY, oval(0.79, 0.14, 0.085, 0.07)),
    *pieces(Tone.DARK, stroke(0.03, (0.16, 0.6), (0.36, 0.68), (0.54, 0.64))),
    *_eye(0.81, 0.12),
)
_FOX = (
    *pieces(Tone.BODY, oval(0.14, 0.5, 0.2, 0.11, 62), stroke(0.12, (0.2, 0.66), (0.34, 0.6))),
    *pieces(Tone.PALE, oval(0.07, 0.36, 0.1, 0.075, 62)),
    *_legs(0.07, 0.68, 0.34, 0.43, 0.6, 0.69),
    *pieces(Tone.BODY, oval(0.51, 0.6, 0.24, 0.125)),
    *pieces(Tone.BODY, shape((0.62, 0.3), (0.84, 0.3), (1.0, 0.5), (0.78, 0.6), (0.6, 0.54))),
    *pieces(Tone.BODY, shape((0.62, 0.36), (0.62, 0.1), (0.74, 0.3)), shape((0.72, 0.32), (0.82, 0.1), (0.86, 0.34))),
    *pieces(Tone.PALE, shape((1.0, 0.5), (0.78, 0.6), (0.74, 0.5))),
    *_eye(0.79, 0.4),
    *pieces(Tone.DARK, oval(0.98, 0.5, 0.03, 0.03)),
)
_WOLF = (
    *pieces(Tone.BODY, stroke(0.12, (0.26, 0.88), (0.08, 0.9), (0.02, 0.8))),
    *pieces(
        Tone.BODY, oval(0.36, 0.74, 0.19, 0.2), shape((0.2, 0.66), (0.46, 0.3), (0.74, 0.44), (0.6, 0.9), (0.3, 0.9))
    ),
    *pieces(Tone.BODY, stroke(0.09, (0.62, 0.55), (0.6, 0.94)), stroke(0.08, (0.34, 0.92), (0.46, 0.94))),
    *pieces(Tone.BODY, oval(0.6, 0.3, 0.15, 0.14), shape((0.58, 0.2), (0.86, 0.0), (0.94, 0.06), (0.74, 0.34))),
    *pieces(Tone.BODY, shape((0.5, 0.28), (0.32, 0.12), (0.6, 0.18))),
    *pieces(Tone.PALE, shape((0.66, 0.42), (0.58, 0.44), (0.56, 0.72), (0.68, 0.6))),
    *pieces(Tone.DARK, oval(0.92, 0.03, 0.035, 0.035), stroke(0.025, (0.76, 0.26), (0.87, 0.13))),
    *_eye(0.64, 0.24),
)
_BADGER = (
    *_legs(0.11, 0.74, 0.2, 0.34, 0.54, 0.66),
    *pieces(Tone.BODY, oval(0.4, 0.64, 0.38, 0.2), shape((0.0, 0.62), (0.14, 0.52), (0.16, 0.7))),
    *pieces(Tone.PALE, shape((0.66, 0.48), (0.8, 0.42), (1.0, 0.68), (0.94, 0.76), (0.68, 0.8))),
    *pieces(Tone.BODY, oval(0.7, 0.44, 0.05, 0.05)),
    *pieces(Tone.DARK, shape((0.7, 0.5), (0.78, 0.47), (0.97, 0.68), (0.92, 0.7))),
    *pieces(Tone.DARK, shape((0.67, 0.66), (0.9, 0.72), (0.68, 0.74)), oval(0.97, 0.72, 0.035, 0.035)),
)
_HARE = (
    *pieces(Tone.PALE, oval(0.16, 0.78, 0.09, 0.09)),
    *pieces(
        Tone.BODY, oval(0.36, 0.72, 0.22, 0.2), oval(0.5, 0.6, 0.18, 0.17), stroke(0.09, (0.28, 0.93), (0.52, 0.93))
    ),
    *pieces(Tone.BODY, stroke(0.08, (0.62, 0.66), (0.64, 0.93))),
    *pieces(Tone.BODY, oval(0.56, 0.18, 0.055, 0.19, -14), oval(0.7, 0.17, 0.055, 0.19, 8)),
    *pieces(Tone.PALE, oval(0.7, 0.17, 0.022, 0.13, 8)),
    *pieces(Tone.BODY, oval(0.68, 0.42, 0.16, 0.12, 14)),
    *pieces(Tone.PALE, oval(0.8, 0.47, 0.05, 0.045)),
    *_eye(0.7, 0.39),
)
_GOAT = (
    *_legs(0.07, 0.6, 0.2, 0.3, 0.55, 0.65),
    *pieces(Tone.BODY, oval(0.42, 0.54, 0.3, 0.16), shape((0.12, 0.5), (0.02, 0.36), (0.2, 0.42))),
    *pieces(Tone.BODY, shape((0.54, 0.5), (0.66, 0.26), (0.8, 0.3), (0.72, 0.58))),
    *pieces(Tone.BODY, shape((0.64, 0.22), (0.78, 0.2), (0.98, 0.38), (0.93, 0.46), (0.7, 0.4))),
    *pieces(Tone.PALE, shape((0.82, 0.43), (0.92, 0.46), (0.85, 0.68))),
    *pieces(Tone.DARK, stroke(0.055, (0.72, 0.22), (0.64, 0.08), (0.48, 0.04), (0.38, 0.12))),
    *pieces(Tone.BODY, shape((0.64, 0.26), (0.5, 0.3), (0.62, 0.36))),
    *_eye(0.79, 0.29),
)
_HORSE = (
    *pieces(Tone.DARK, stroke(0.09, (0.16, 0.46), (0.05, 0.56), (0.05, 0.8))),
    *_legs(0.075, 0.5, 0.22, 0.32, 0.56, 0.66),
    *pieces(Tone.BODY, oval(0.42, 0.5, 0.28, 0.145)),
    *pieces(Tone.BODY, shape((0.5, 0.46), (0.66, 0.1), (0.8, 0.18), (0.72, 0.54))),
    *pieces(Tone.BODY, shape((0.66, 0.1), (0.78, 0.06), (0.99, 0.3), (0.92, 0.39), (0.74, 0.28))),
    *pieces(Tone.BODY, shape((0.68, 0.12), (0.68, -0.02), (0.76, 0.08))),
    *pieces(Tone.DARK, shape((0.7, 0.04), (0.62, 0.06), (0.42, 0.4), (0.53, 0.44))),
    *_eye(0.79, 0.16),
)
SILHOUETTES: Mapping[str, Silhouette] = MappingProxyType(
    {
        "heron": _HERON,
        "fox": _FOX,
        "badger": _BADGER,
        "hare": _HARE,
        "goat": _GOAT,
        "horse": _HORSE,
        "swan": _SWAN,
        "wolf": _WOLF,
    }
)
