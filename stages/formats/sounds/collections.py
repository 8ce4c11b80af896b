"""The format of sounds: a folder with content-addressed tars and an index. This module owns its columns.

A tar has key.wav (or .flac, .mp3, .ogg) and key.json, pair by pair (stages/formats/pictures/tars.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from stages.formats.pictures.tars import PLACE, Tars, TarWriter

SUFFIXES = ("wav", "flac", "mp3", "ogg")
ROW: np.dtype[np.void] = np.dtype([*PLACE, ("samples", "<i8"), ("rate", "<i4")])
"""Samples of one channel, at the file's own rate a second."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound with its words."""

    key: str
    suffix: str
    data: bytes
    samples: int
    rate: int
    transcript: str
    """Its words; empty for a sound without a transcript."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Source, name, voice. JSON values."""


class SoundsWriter(TarWriter):
    """Writes a collection of one tar, as a context manager. It is complete once the context is left without error."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ROW)

    def add(self, sound: Sound) -> None:
        """Append a sound."""
        meta = {"transcript": sound.transcript, "samples": sound.samples, "rate": sound.rate, **sound.about}
        self.add_file(sound.key, sound.suffix, sound.data, meta, (sound.samples, sound.rate))


class Sounds(Tars):
    """Reads a collection."""

    row: ClassVar[np.dtype[np.void]] = ROW
    noun: ClassVar[str] = "sound"

    def __getitem__(self, position: int) -> Sound:
        """Return the sound of a row. Raises DataError if its bytes are not those of its key."""
        key, suffix, data, about = self.found(position)
        return Sound(
            key=key,
            suffix=suffix,
            data=data,
            samples=about.pop("samples"),
            rate=about.pop("rate"),
            transcript=about.pop("transcript"),
            about=about,
        )
