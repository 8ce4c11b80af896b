"""Streams of bytes out of plain and compressed files, in bounded memory. A file that is cut off gives what it has.

`.bz2`, `.gz`, `.xz` and `.zst` may consist of several streams. A damaged bz2 stream costs its own content: reading goes
on at the next stream. A multistream dump has thousands of them.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from stages.curated.items import Damaged
from stages.curated.reading.seven_zip import unpacked
from stages.text.zstd_frames import ZstdError, ZstdFrame

BLOCK = 1 << 18
"""Compressed bytes read at once."""
PIECE = 1 << 20
"""Most bytes that a decompressor returns at once: the bound on memory for a file that inflates a thousand times."""
MEMORY = 1 << 27
"""Memory of an xz decoder."""
BZIP2 = b"BZh"
BLOCK_MAGIC = b"1AY&SY"
BZIP2_HEAD = len(BZIP2) + 1 + len(BLOCK_MAGIC)
SUFFIXES = (".bz2", ".gz", ".xz", ".zst", ".7z")
ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, ZstdError)


class Inflate(Protocol):
    """One stream's decompressor, as the standard library has it."""

    eof: bool
    unused_data: bytes
    needs_input: bool

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return the next piece."""


class _Zlib:
    """zlib's decompressor with the interface of bz2's."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max(0, max_length))


_INFLATES: dict[str, Callable[[], Any]] = {
    ".bz2": bz2.BZ2Decompressor,
    ".gz": _Zlib,
    ".xz": lambda: lzma.LZMADecompressor(memlimit=MEMORY),
    ".zst": ZstdFrame,
}


def chunks(
    path: Path, on_damage: Callable[[Damaged], None], start: int = 0, stop: int | None = None
) -> Iterator[bytes]:
    """Yield the content of a file in pieces; `start` and `stop` are places in the compressed file.

    Hands each damage to `on_damage`; what can be read besides is yielded.
    """
    suffix = path.suffix.lower()
    if suffix == ".7z":
        yield from unpacked(path, on_damage)
    elif suffix in _INFLATES:
        yield from _inflated(_blocks(path, start, stop), _INFLATES[suffix], suffix == ".bz2", on_damage)
    else:
        yield from _blocks(path, start, stop)


def read_all(path: Path, limit: int, on_damage: Callable[[Damaged], None]) -> bytes | None:
    """Return the whole content; None if it is larger than `limit` bytes."""
    found = bytearray()
    for chunk in chunks(path, on_damage):
        found += chunk
        if len(found) > limit:
            return None
    return bytes(found)


def _blocks(path: Path, start: int, stop: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while stop is None or file.tell() < stop:
            block = file.read(BLOCK if stop is None else min(BLOCK, stop - file.tell()))
            if not block:
                return
            yield block


def _inflated(
    blocks: Iterator[bytes], make: Callable[[], Inflate], is_bzip2: bool, on_damage: Callable[[Damaged], None]
) -> Iterator[bytes]:
    """Yield the content of streams that follow each other."""
    waiting = b""
    while waiting := waiting or next(blocks, b""):
        inflate = make()
        try:
            while not inflate.eof:
                if inflate.needs_input and not waiting:
                    waiting = next(blocks, b"")
                    if not waiting:
                        on_damage(Damaged("truncated_file", "the file is cut off"))
                        return
                piece, waiting = inflate.decompress(waiting, PIECE), b""
                if piece:
                    yield piece
            waiting = inflate.unused_data.lstrip(b"\0")
        except ERRORS as error:
            on_damage(Damaged("damaged_part", f"{type(error).__name__}: {error}"))
            if not is_bzip2:
                return
            waiting = _next_stream(waiting, blocks)


def _next_stream(data: bytes, blocks: Iterator[bytes]) -> bytes:
    """Return the rest of the file from the next bz2 stream on; empty if there is none."""
    is_first = True
    while True:
        at = find_stream(data, 1 if is_first and data[:3] == BZIP2 else 0)
        if at is not None:
            return data[at:]
        more = next(blocks, b"")
        if not more:
            return b""
        data, is_first = data[-BZIP2_HEAD:] + more, False


def find_stream(data: bytes, at: int = 0) -> int | None:
    """Return the place where the next bz2 stream begins: `BZh`, a digit, and the magic of its first block."""
    while (at := data.find(BZIP2, at)) >= 0:
        if data[at + 4 : at + BZIP2_HEAD] == BLOCK_MAGIC:
            return at
        at += 1
    return None
