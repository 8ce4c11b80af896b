"""A small formant synthesiser: each pulse of the voice rings three formants, and noise is hissed around a frequency.

Formants move smoothly from phone to phone, as they do when people speak. Sines are read from a table, and noise comes
from a hash, so that no library's random numbers count.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.sample.draw import digest
from stages.sample.speech.phones import PAUSE, PHONES, SILENCE, Piece
from stages.sample.speech.sentences import bare
from stages.sample.speech.spelling import phones_of

RATE = 16_000
FRAME = 80
"""Samples between two values of what moves: 5 ms."""
BANDWIDTHS = (70, 100, 160)
"""Of the formants, in hertz: how soon they fade."""
LOUDNESS = (1.0, 0.55, 0.3)
RING = 320
"""Samples that a pulse is heard."""
GLIDE = 9
"""Frames over which formants move."""
SWELL = 3
"""Frames over which loudness moves."""
HISS = 5
"""Samples that noise is averaged over: how wide a hiss is."""
HISS_GAIN = 3.0
FALL, RISE = 0.2, 0.35
"""Share by which the pitch falls over a statement, and rises over the last fifth of a question."""
LEVEL = 9_000.0
_TABLE = 1 << 16
_SINES = np.array([math.sin(2 * math.pi * place / _TABLE) for place in range(_TABLE)])
_FADES = np.array([[math.exp(-math.pi * each * place / RATE) for place in range(RING)] for each in BANDWIDTHS])
Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """A speaker."""

    name: str
    pitch: int
    """In hertz."""
    size: float
    """What formants are multiplied by: large for a small head."""
    breath: float
    """Loudness of the hiss beside the voice."""


VOICES: tuple[Voice, ...] = (
    Voice("Ada", 205, 1.16, 0.03),
    Voice("Ben", 112, 0.98, 0.02),
    Voice("Cleo", 182, 1.1, 0.05),
    Voice("Dan", 96, 0.94, 0.015),
    Voice("Eve", 225, 1.2, 0.02),
    Voice("Fred", 130, 1.02, 0.04),
    Voice("Gus", 104, 1.0, 0.03),
    Voice("Hope", 194, 1.13, 0.02),
)
HELD_OUT = 2
"""The last voices, which are in exams alone."""


def spoken(text: str, voice: Voice, speed: float, noise: float, *name: object) -> NDArray[np.int16]:
    """Return a sentence as samples. `noise` is that of the room, of a full voice; it is drawn from `name`."""
    pieces = _pieces(text)
    frames = np.repeat(
        np.arange(len(pieces)), [max(1, round(piece.ms * RATE / 1000 / speed / FRAME)) for piece in pieces]
    )
    formants = np.array([piece.formants for piece in pieces], np.float64)[frames] * voice.size
    formants = np.stack([_smooth(formants[:, each], GLIDE) for each in range(3)], 1)
    loud = _smooth(np.array([piece.voice for piece in pieces])[frames], SWELL)
    hiss = _smooth(np.array([piece.hiss for piece in pieces])[frames], SWELL) + voice.breath * loud
    hertz = np.array([piece.hiss_hz for piece in pieces], np.float64)[frames]
    pitch = voice.pitch * _melody(len(frames), text.endswith("?"))
    count = len(frames) * FRAME
    wave = _voiced(pitch, formants, loud) + _hissed(hertz, hiss, _noise(count, "hiss", *name))
    wave += noise * _noise(count, "room", *name)
    return (wave * LEVEL).round().clip(-32768, 32767).astype(np.int16)


def _pieces(text: str) -> Sequence[Piece]:
    found = [SILENCE]
    for word in text.split():
        for phone in phones_of(bare(word)):
            found += PHONES[phone]
        found += [PAUSE, SILENCE] if word.endswith(",") else [PAUSE]
    return [*found, SILENCE]


def _smooth(values: Wave, width: int) -> Wave:
    """Return the mean over `width` frames about each."""
    padded = np.concatenate([np.full(width // 2, values[0]), values, np.full(width - width // 2, values[-1])])
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    means: Wave = (sums[width : width + len(values)] - sums[: len(values)]) / width
    return means


def _melody(frames: int, is_question: bool) -> Wave:
    place = np.arange(frames) / frames
    fallen = 1.0 - FALL * place
    return fallen + RISE * np.maximum(0.0, place - 0.8) / 0.2 if is_question else fallen


def _voiced(pitch: Wave, formants: Wave, loud: Wave) -> Wave:
    """Return the sum of what each pulse of the voice rings."""
    wave = np.zeros(len(pitch) * FRAME + RING)
    steps = np.arange(RING)
    place = 0.0
    while place < len(pitch) * FRAME:
        frame = int(place) // FRAME
        if loud[frame] > 0.01:
            phases = (formants[frame][:, None] * steps * (_TABLE / RATE)).astype(np.int64) % _TABLE
            rung = sum(gain * tone for gain, tone in zip(LOUDNESS, _FADES * _SINES[phases], strict=True))
            wave[int(place) : int(place) + RING] += loud[frame] * rung
        place += RATE / pitch[frame]
    return wave[:-RING]


def _hissed(hertz: Wave, hiss: Wave, noise: Wave) -> Wave:
    """Return noise around a frequency: an average of it times a tone."""
    sums = np.cumsum(np.concatenate([np.zeros(HISS), noise]))
    low = (sums[HISS:] - sums[:-HISS]) / HISS
    phases = np.cumsum(np.repeat(hertz, FRAME) * (_TABLE / RATE)).astype(np.int64) % _TABLE
    middles = (np.arange(len(hiss)) + 0.5) * FRAME
    hissed: Wave = HISS_GAIN * low * _SINES[phases] * np.interp(np.arange(len(noise)), middles, hiss)
    return hissed


def _noise(count: int, *name: object) -> Wave:
    """Return samples from -1 to 1, each drawn alone."""
    drawn = np.frombuffer(hashlib.shake_128(digest(*name)).digest(2 * count), "<i2")
    noise: Wave = drawn / 32768.0
    return noise
