"""Members of zip and tar archives as a stream, within limits. Nothing is ever written to a path that an archive names.

A member that is too large, encrypted or damaged costs itself. A compressed tar is read once, forwards.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from stages.curated.items import Damaged, Dropped
from stages.curated.reading.streams import chunks

MAX_MEMBERS = 2_000_000
"""Members of an archive that are read; the rest is counted as one damage."""
MAX_NAME = 1_000
ZIPS = (".zip", ".whl", ".epub", ".jar", ".egg")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
)


class Member(NamedTuple):
    """A file of an archive."""

    name: str
    data: bytes


class _Reader(io.RawIOBase):
    """A file over chunks, for tarfile."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._rest += piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def members(
    path: Path, limit: int, on_damage: Callable[[Damaged], None], wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[Member | Dropped]:
    """Yield the files of an archive that are wanted by their name, in order; those of more than `limit` bytes are
    dropped.
    """
    if path.suffix.lower() in ZIPS:
        yield from _zip_members(path, limit, on_damage, wanted)
    else:
        yield from tar_members(chunks(path, on_damage), limit, on_damage, wanted)


def tar_members(
    pieces: Iterator[bytes], limit: int, on_damage: Callable[[Damaged], None], wanted: Callable[[str], bool]
) -> Iterator[Member | Dropped]:
    """Yield the files of a tar stream."""
    try:
        with tarfile.open(fileobj=_Reader(pieces), mode="r|") as archive:
            for number, info in enumerate(archive):
                archive.members = []  # type: ignore[attr-defined]  # else the list of all members grows with the file
                if number >= MAX_MEMBERS:
                    on_damage(Damaged("too_many_members", f"more than {MAX_MEMBERS:,} members"))
                    return
                name = info.name[:MAX_NAME]
                if not info.isfile() or not wanted(name):
                    continue
                if info.size > limit:
                    yield Dropped(reason="too_large", id=name)
                    continue
                file = archive.extractfile(info)
                data = file.read() if file else b""
                yield Member(name, data)
                if len(data) < info.size:
                    on_damage(Damaged("truncated_file", f"the archive ends inside {name}"))
                    return
    except (tarfile.TarError, *_BROKEN) as error:
        on_damage(Damaged("damaged_part", f"{type(error).__name__}: {error}"))


def _zip_members(
    path: Path, limit: int, on_damage: Callable[[Damaged], None], wanted: Callable[[str], bool]
) -> Iterator[Member | Dropped]:
    try:
        with zipfile.ZipFile(path) as archive:
            for number, info in enumerate(archive.infolist()):
                if number >= MAX_MEMBERS:
                    on_damage(Damaged("too_many_members", f"more than {MAX_MEMBERS:,} members"))
                    return
                name = info.filename[:MAX_NAME]
                if not info.is_dir() and wanted(name):
                    yield zip_member(archive, info, limit)
    except _BROKEN as error:
        on_damage(Damaged("damaged_part", f"{type(error).__name__}: {error}"))


def zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> Member | Dropped:
    """Return one file of a zip. Its header may lie about the size, so that no more than `limit` bytes are inflated."""
    name = info.filename[:MAX_NAME]
    if info.flag_bits & 1:
        return Dropped(reason="encrypted", id=name)
    if info.file_size > limit:
        return Dropped(reason="too_large", id=name)
    try:
        with archive.open(info) as file:
            data = file.read(limit + 1)
    except _BROKEN as error:
        return Dropped(reason="damaged_member", id=name, text=f"{type(error).__name__}: {error}")
    return Member(name, data) if len(data) <= limit else Dropped(reason="too_large", id=name)
