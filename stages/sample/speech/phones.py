"""The phones: how long each lasts, where its formants are, and its hiss. Formants after Peterson and Barney (1952)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Piece:
    """A steady part of a phone."""

    ms: int
    formants: tuple[int, int, int]
    """In hertz."""
    voice: float
    """Loudness of the voice, from 0 to 1."""
    hiss: float = 0.0
    """Loudness of the noise."""
    hiss_hz: int = 3_000
    """Middle of the noise."""


NEUTRAL = (500, 1500, 2500)
_VOWELS = {
    "IY": (110, (270, 2290, 3010)),
    "IH": (80, (390, 1990, 2550)),
    "EH": (90, (530, 1840, 2480)),
    "AE": (110, (660, 1720, 2410)),
    "AA": (110, (730, 1090, 2440)),
    "AO": (115, (570, 840, 2410)),
    "UH": (80, (440, 1020, 2240)),
    "UW": (110, (300, 870, 2240)),
    "AH": (85, (640, 1190, 2390)),
    "ER": (110, (490, 1350, 1690)),
    "AX": (60, (500, 1500, 2500)),
}
_GLIDING = {"EY": ("EH", "IY"), "AY": ("AA", "IY"), "OW": ("AO", "UW"), "AW": ("AA", "UW"), "OY": ("AO", "IY")}
_SONOROUS = {
    "L": (65, (360, 1000, 2700), 0.55),
    "R": (65, (330, 1060, 1380), 0.55),
    "W": (60, (290, 610, 2150), 0.5),
    "Y": (60, (260, 2200, 3000), 0.5),
    "M": (75, (250, 900, 2200), 0.35),
    "N": (70, (250, 1700, 2600), 0.35),
    "NG": (80, (250, 2300, 2750), 0.35),
}
_HISSING = {
    "S": (100, 5600, 0.5, 0.0),
    "Z": (80, 5600, 0.3, 0.3),
    "SH": (105, 3000, 0.5, 0.0),
    "F": (85, 6800, 0.16, 0.0),
    "V": (60, 6800, 0.1, 0.35),
    "TH": (85, 4600, 0.14, 0.0),
    "DH": (50, 4600, 0.08, 0.4),
    "HH": (60, 1500, 0.16, 0.0),
}
"""Milliseconds, middle of the noise in hertz, its loudness, and the voice's."""
_PLACES = {
    "P": (700, (300, 800, 2200)),
    "T": (4600, (300, 1750, 2650)),
    "K": (2300, (300, 2100, 2500)),
    "B": (700, (250, 800, 2200)),
    "D": (4600, (250, 1750, 2650)),
    "G": (2300, (250, 2100, 2500)),
}
"""Middle of a burst, and the formants that the vowels beside it go to."""


def _phones() -> dict[str, tuple[Piece, ...]]:
    found: dict[str, tuple[Piece, ...]] = {
        name: (Piece(ms, formants, 1.0),) for name, (ms, formants) in _VOWELS.items()
    }
    for name, ends in _GLIDING.items():
        found[name] = tuple(Piece(85, _VOWELS[end][1], 1.0) for end in ends)
    found |= {name: (Piece(ms, formants, voice),) for name, (ms, formants, voice) in _SONOROUS.items()}
    for name, (ms, hertz, hiss, voice) in _HISSING.items():
        found[name] = (Piece(ms, NEUTRAL, voice, hiss, hertz),)
    for name, (hertz, formants) in _PLACES.items():
        is_voiced = name in "BDG"
        closed = Piece(55, formants, 0.12 if is_voiced else 0.0)
        burst = Piece(15 if is_voiced else 35, formants, 0.3 if is_voiced else 0.0, 0.35, hertz)
        found[name] = (closed, burst)
    found["CH"] = (found["T"][0], Piece(70, NEUTRAL, 0.0, 0.5, 3_000))
    found["JH"] = (found["D"][0], Piece(55, NEUTRAL, 0.25, 0.35, 3_000))
    return found


PHONES: Mapping[str, tuple[Piece, ...]] = MappingProxyType(_phones())
PAUSE = Piece(40, NEUTRAL, 0.0)
"""Between words."""
SILENCE = Piece(90, NEUTRAL, 0.0)
"""Before and after a sentence."""
