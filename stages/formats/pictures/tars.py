"""Content-addressed tars with an index: what collections of pictures and of sounds have in common. This module owns it.

    00000.tar         key.SUFFIX and key.json, pair by pair; key: the start of the file's SHA-256
    index.npy         a row for each sample, in order: a position in the data is one integer, at any number of ranks
    collection.json   format, tars with their sizes, number of rows

Tars are read by any webdataset loader; ours finds a row without reading others, and opens no member by its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stages.shared.errors import DataError
from stages.shared.files import link, read_json, write_json

FORMAT = 1
KEY_CHARS = 32
PLACE: tuple[tuple[str, str], ...] = (
    ("key", f"S{KEY_CHARS}"),
    ("suffix", "S4"),
    ("tar", "<i4"),
    ("offset", "<i8"),
    ("bytes", "<i8"),
    ("meta_bytes", "<i4"),
)
"""First columns of every index: which file, and where it lies."""
BLOCK = 512
"""Bytes of a tar's blocks."""
_REMEDY = "Run the unit that wrote it again"
Rows = NDArray[np.void]


def key_of(data: bytes) -> str:
    """Return the key of a file's bytes."""
    return hashlib.sha256(data).hexdigest()[:KEY_CHARS]


class TarWriter:
    """Writes one tar and its index, as a context manager. It is complete once the context is left without error."""

    def __init__(self, folder: Path, row: np.dtype[np.void]) -> None:
        """`row` has the columns of PLACE, then those of its own."""
        folder.mkdir(parents=True)
        self._folder, self._row, self._rows = folder, row, list[tuple[Any, ...]]()
        self._tar = (folder / _tar_name(0)).open("wb")

    def add_file(self, key: str, suffix: str, data: bytes, meta: Mapping[str, Any], about: Sequence[Any]) -> None:
        """Append a file with its JSON; `about` has the columns of the row's own."""
        text = json.dumps(meta, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
        offset = self._member(f"{key}.{suffix}", data)
        self._member(f"{key}.json", text)
        self._rows.append((key, suffix, 0, offset, len(data), len(text), *about))

    def _member(self, name: str, data: bytes) -> int:
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(data), 0o600
        self._tar.write(header.tobuf(tarfile.USTAR_FORMAT))
        offset = self._tar.tell()
        self._tar.write(data + bytes(-len(data) % BLOCK))
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        with self._tar:
            self._tar.write(bytes(2 * BLOCK))
        if kind is None:
            _write_index(self._folder, np.array(self._rows, self._row), 1)


def _tar_name(number: int) -> str:
    return f"{number:05d}.tar"


def _write_index(folder: Path, rows: Rows, tars: int) -> None:
    with (folder / "index.npy").open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    sizes = {name: (folder / name).stat().st_size for name in map(_tar_name, range(tars))}
    write_json(folder / "collection.json", {"format": FORMAT, "tars": sizes, "rows": len(rows)})


def join(folder: Path, parts: Sequence[Tars], rows: Sequence[Rows]) -> None:
    """Write a collection with the given rows of others. Side effect: links their tars, or copies them."""
    folder.mkdir(parents=True)
    joined, tars = [np.empty(0, parts[0].row)], 0
    for part, chosen in zip(parts, rows, strict=True):
        moved = chosen.copy()
        moved["tar"] += tars
        joined.append(moved)
        for path in part.tars:
            link(path, folder / _tar_name(tars))
            tars += 1
    _write_index(folder, np.concatenate(joined), tars)


class Found(NamedTuple):
    """What a tar has of a row."""

    key: str
    suffix: str
    data: bytes
    meta: dict[str, Any]


class Tars:
    """Reads tars by their index. `rows` is mapped into memory; a file costs one read."""

    row: ClassVar[np.dtype[np.void]]
    noun: ClassVar[str]
    """Word for one file, in errors."""

    def __init__(self, folder: Path) -> None:
        """Raise DataError for a folder that is no whole collection: a tar of another size names its first lost key."""
        try:
            value = read_json(folder / "collection.json")
            found, sizes = value["format"], dict(value["tars"])
            self.rows: Rows = np.load(folder / "index.npy", mmap_mode="r", allow_pickle=False)
            if self.rows.dtype != self.row or len(self.rows) != value["rows"] or found != FORMAT:
                raise ValueError(f"format {found}, {len(self.rows)} rows of {value['rows']}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
            raise DataError(folder, f"not a collection of {self.noun}s ({error!r})", _REMEDY) from error
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
        first = f"; the first lost {self.noun} is {lost[0]['key'].decode()}" if len(lost) else ""
        raise DataError(path, f"{size} bytes, {wanted} were written{first}", _REMEDY)

    def __len__(self) -> int:
        return len(self.rows)

    def found(self, position: int) -> Found:
        """Return the file of a row with its JSON. Raises DataError if its bytes are not those of its key."""
        row = self.rows[position]
        key, number, offset, size = row["key"].decode(), int(row["tar"]), int(row["offset"]), int(row["bytes"])
        length = size + -size % BLOCK + BLOCK + int(row["meta_bytes"])
        read = os.pread(self._file(number), length, offset)
        data = read[:size]
        if key_of(data) != key:
            raise DataError(self.tars[number], "the bytes are not those of the key", _REMEDY, record=key)
        return Found(key, row["suffix"].decode(), data, json.loads(read[length - int(row["meta_bytes"]) :]))

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
