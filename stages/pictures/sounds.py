"""Sounds of several collections by key, as mono samples of 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from stages.formats.chat.rejects import Reject
from stages.formats.sounds.collections import Sounds
from stages.pictures.shelf import Shelf
from stages.pictures.sound import RATE, Samples, SoundBounds, load_sound
from stages.shared.errors import DataError


class SoundShelf(Shelf[Sounds]):
    """The sounds of collections."""

    field: ClassVar[str] = "sounds"

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises DataError, naming the folder, for one that is no whole collection."""
        super().__init__([Sounds(folder) for folder in folders])

    def size(self, key: str) -> int:
        """Return the samples of a sound at 16 kHz. Raises KeyError if no collection has it."""
        collection, place = self._place(key)
        row = collection.rows[place]
        return -(-int(row["samples"]) * RATE // int(row["rate"]))

    def transcript(self, key: str) -> str:
        """Return the words of a sound; empty: it has none. Raises KeyError if no collection has it."""
        collection, place = self._place(key)
        return collection[place].transcript

    def load(self, key: str) -> Samples:
        """Return the samples of a sound. Raises KeyError if no collection has it, and DataError for a sound that is not
        what its row says.
        """
        collection, place = self._place(key)
        sound, remedy = collection[place], "Run the unit that wrote it again"
        bounds = SoundBounds(max_bytes=len(sound.data), max_seconds=-(-sound.samples // sound.rate))
        try:
            samples = load_sound(sound.data, RATE, bounds)
        except Reject as reject:
            problem = f"a sound cannot be loaded ({reject.reason}: {reject.detail})"
            raise DataError(collection.folder, problem, remedy, record=key) from reject
        if len(samples) != self.size(key):
            problem = f"a sound has {len(samples):,} samples of 16 kHz, and its row says {self.size(key):,}"
            raise DataError(collection.folder, problem, remedy, record=key)
        return samples
