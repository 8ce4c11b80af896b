"""The format of pictures: a folder with content-addressed tars and an index. This module owns it.

    00000.tar         key.jpg (or .png, .webp) and key.json, pair by pair; key: the start of the picture's SHA-256
    index.npy         a ROW for each sample, in order: a position in the data is one integer, at any number of ranks
    collection.json   format, tars with their sizes, number of rows

Tars are read by any webdataset loader; ours finds a row without reading others, and opens no member by its name. A row
may leave out captions of its key.json. Bytes depend on the pictures and their texts alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.errors import DataError
from stages.shared.files import link, read_json, write_json

FORMAT = 1
KEY_CHARS = 32
MAX_CAPTIONS = 64
"""Captions of one row: a bit each."""
SUFFIXES = ("jpg", "png", "webp")
ROW = np.dtype(
    [
        ("key", f"S{KEY_CHARS}"),
        ("suffix", "S4"),
        ("tar", "<i4"),
        ("offset", "<i8"),
        ("bytes", "<i8"),
        ("meta_bytes", "<i4"),
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
BLOCK = 512
"""Bytes of a tar's blocks."""
_REMEDY = "Run the unit that wrote it again"
Rows = NDArray[np.void]


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


def key_of(data: bytes) -> str:
    """Return the key of a picture's bytes."""
    return hashlib.sha256(data).hexdigest()[:KEY_CHARS]


class CollectionWriter:
    """Writes a collection of one tar, as a context manager. It is complete once the context is left without error."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._rows = folder, list[tuple[Any, ...]]()
        self._tar = (folder / _tar_name(0)).open("wb")

    def add(self, picture: Picture, hash: int, colours: bytes, chats: int = 0) -> None:
        """Append a picture that so many conversations name. All of its captions count."""
        if len(picture.captions) > MAX_CAPTIONS:
            raise ValueError(f"{len(picture.captions)} captions, at most {MAX_CAPTIONS}")
        meta = {"captions": picture.captions, "width": picture.width, "height": picture.height, **picture.about}
        text = json.dumps(meta, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
        offset = self._member(f"{picture.key}.{picture.suffix}", picture.data)
        self._member(f"{picture.key}.json", text)
        counted = (1 << len(picture.captions)) - 1
        place = (0, offset, len(picture.data), len(text))
        about = (picture.width, picture.height, counted, chats, hash, np.frombuffer(colours, np.uint8))
        self._rows.append((picture.key, picture.suffix, *place, *about))

    def _member(self, name: str, data: bytes) -> int:
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(data), 0o600
        self._tar.write(header.tobuf(tarfile.USTAR_FORMAT))
        offset = self._tar.tell()
        self._tar.write(data + bytes(-len(data) % BLOCK))
        return offset

    def __enter__(self) -> CollectionWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        with self._tar:
            self._tar.write(bytes(2 * BLOCK))
        if kind is None:
            _write_index(self._folder, np.array(self._rows, ROW), 1)


def _tar_name(number: int) -> str:
    return f"{number:05d}.tar"


def _write_index(folder: Path, rows: Rows, tars: int) -> None:
    with (folder / "index.npy").open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    sizes = {name: (folder / name).stat().st_size for name in map(_tar_name, range(tars))}
    write_json(folder / "collection.json", {"format": FORMAT, "tars": sizes, "rows": len(rows)})


def join(folder: Path, parts: Sequence[Collection], rows: Sequence[Rows]) -> None:
    """Write a collection with the given rows of others. Side effect: links their tars, or copies them."""
    folder.mkdir(parents=True)
    joined, tars = [np.empty(0, ROW)], 0
    for part, chosen in zip(parts, rows, strict=True):
        moved = chosen.copy()
        moved["tar"] += tars
        joined.append(moved)
        for path in part.tars:
            link(path, folder / _tar_name(tars))
            tars += 1
    _write_index(folder, np.concatenate(joined), tars)


class Collection:
    """Reads a collection. `rows` is mapped into memory; a picture costs one read."""

    def __init__(self, folder: Path) -> None:
        """Raise DataError for a folder that is no whole collection: a tar of another size names its first lost key."""
        try:
            value = read_json(folder / "collection.json")
            found, sizes = value["format"], dict(value["tars"])
            self.rows: Rows = np.load(folder / "index.npy", mmap_mode="r", allow_pickle=False)
            if self.rows.dtype != ROW or len(self.rows) != value["rows"] or found != FORMAT:
                raise ValueError(f"format {found}, {len(self.rows)} rows of {value['rows']}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
            raise DataError(folder, f"not a collection of pictures ({error!r})", _REMEDY) from error
        self.folder = folder
        self.tars = tuple(folder / _tar_name(number) for number in range(len(sizes)))
        for number, path in enumerate(self.tars):
            self._check_size(number, path, sizes.get(path.name, -1))
        self._files: dict[int, int] = {}

    def _check_size(self, number: int, path: Path, wanted: int) -> None:
        size = path.stat().st_size if path.is_file() else 0
        if size == wanted:
            return
        own = self.rows[self.rows["tar"] == number]
        lost = own[own["offset"] + own["bytes"] > size]
        first = f"; the first lost picture is {lost[0]['key'].decode()}" if len(lost) else ""
        raise DataError(path, f"{size} bytes, {wanted} were written{first}", _REMEDY)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Picture:
        """Return the picture of a row. Raises DataError if its bytes are not those of its key."""
        row = self.rows[position]
        key, number, offset, size = row["key"].decode(), int(row["tar"]), int(row["offset"]), int(row["bytes"])
        length = size + -size % BLOCK + BLOCK + int(row["meta_bytes"])
        found = os.pread(self._file(number), length, offset)
        data = found[:size]
        if key_of(data) != key:
            raise DataError(self.tars[number], "the bytes are not those of the key", _REMEDY, record=key)
        about = json.loads(found[length - int(row["meta_bytes"]) :])
        texts, counted = about.pop("captions"), int(row["captions"])
        return Picture(
            key=key,
            suffix=row["suffix"].decode(),
            data=data,
            width=about.pop("width"),
            height=about.pop("height"),
            captions=tuple(text for place, text in enumerate(texts) if counted >> place & 1),
            about=about,
        )

    def _file(self, number: int) -> int:
        if number not in self._files:
            self._files[number] = os.open(self.tars[number], os.O_RDONLY)
        return self._files[number]

    def positions(self, keys: Iterable[str]) -> dict[str, int]:
        """Return the first position of each key that the collection has."""
        wanted = {key.encode() for key in keys}
        found = {key: place for place, key in reversed(list(enumerate(self.rows["key"]))) if key in wanted}
        return {key.decode(): place for key, place in found.items()}

    def close(self) -> None:
        """Close the tars."""
        while self._files:
            os.close(self._files.popitem()[1])

    def __enter__(self) -> Collection:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
