"""The format of pictures: a folder with content-addressed tars and an index (tars.py). This module owns its columns.

A tar has key.jpg (or .png, .webp) and key.json, pair by pair. A row may leave out captions of its key.json. Bytes
depend on the pictures and their texts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from stages.formats.pictures.tars import PLACE, Tars, TarWriter

MAX_CAPTIONS = 64
"""Captions of one row: a bit each."""
SUFFIXES = ("jpg", "png", "webp")
ROW: np.dtype[np.void] = np.dtype(
    [
        *PLACE,
        ("width", "<i4"),
        ("height", "<i4"),
        ("captions", "<u8"),
        ("chats", "<i4"),
        ("hash", "<u8"),
        ("colours", "u1", (48,)),
    ]
)
"""Sizes are those of the upright picture. `captions` has bit n where caption n counts; `chats` is the number of
conversations of its unit that name it. `hash` and `colours` are the fingerprint (stages/pictures/likeness.py)."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with its texts."""

    key: str
    suffix: str
    data: bytes
    width: int
    height: int
    captions: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    """Source, name, boxes, each with label and corners x1, y1, x2, y2 from 0 to 1. JSON values."""


class CollectionWriter(TarWriter):
    """Writes a collection of one tar, as a context manager. It is complete once the context is left without error."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ROW)

    def add(self, picture: Picture, hash: int, colours: bytes, chats: int = 0) -> None:
        """Append a picture that so many conversations name. All of its captions count."""
        if len(picture.captions) > MAX_CAPTIONS:
            raise ValueError(f"{len(picture.captions)} captions, at most {MAX_CAPTIONS}")
        meta = {"captions": picture.captions, "width": picture.width, "height": picture.height, **picture.about}
        counted = (1 << len(picture.captions)) - 1
        about = (picture.width, picture.height, counted, chats, hash, np.frombuffer(colours, np.uint8))
        self.add_file(picture.key, picture.suffix, picture.data, meta, about)


class Collection(Tars):
    """Reads a collection."""

    row: ClassVar[np.dtype[np.void]] = ROW
    noun: ClassVar[str] = "picture"

    def __getitem__(self, position: int) -> Picture:
        """Return the picture of a row. Raises DataError if its bytes are not those of its key."""
        key, suffix, data, about = self.found(position)
        texts, counted = about.pop("captions"), int(self.rows[position]["captions"])
        return Picture(
            key=key,
            suffix=suffix,
            data=data,
            width=about.pop("width"),
            height=about.pop("height"),
            captions=tuple(text for place, text in enumerate(texts) if counted >> place & 1),
            about=about,
        )
