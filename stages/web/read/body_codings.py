"""Codings of a response's body: undoes chunks and compression (RFC 9112, section 7; RFC 9110, section 8.4).

A body that breaks off is a loss with a reason: half a page looks like a whole one to every later step.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli

from stages.text.zstd_frames import FRAME, ZstdError, ZstdFrame

CODING = re.compile(r"[\w-]+")
GZIP = b"\x1f\x8b"
GZIP_OR_ZLIB, RAW = 47, -15
"""Window sizes of zlib: a header of either kind, and no header."""
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?(\r?\n|\Z)")
"""The size in hexadecimal digits, and the end of the line. A chunk ends with the same end."""
TEXT_WINDOW = 1_000
BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that text has not, and compressed data nearly always has within TEXT_WINDOW."""


class Part(Protocol):
    """Decompresses one gzip member or zstd frame."""

    @property
    def eof(self) -> bool:
        """Whether the part is complete."""

    @property
    def unused_data(self) -> bytes:
        """The bytes behind the part."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return what `data` holds, up to about `max_length` bytes of it."""


class DamagedBodyError(Exception):
    """The body breaks off, or its coding is damaged."""


def undo_codings(body: bytes, content: str, transfer: str, max_bytes: int) -> bytes:
    """Return the body without the codings that its two headers list, cut at `max_bytes`.

    A body that is not in a listed coding at all is returned as it is: Common Crawl keeps the headers and stores plain
    bodies. Names that are no codings are skipped, as browsers do.

    Raises DamagedBodyError if a coding begins and does not come to its end.
    """
    for name in reversed(CODING.findall(f"{content},{transfer}".lower())):
        undo = CODINGS.get(name)
        if undo is not None:
            body = undo(body, max_bytes)
    return body


def _inflate(body: bytes, max_bytes: int) -> bytes:
    """Undo gzip, all members of it, or deflate with a header or without. Bytes after the last member are ignored."""
    if not body.startswith(GZIP):
        return _inflate_one(body, max_bytes)
    return _parts(body, max_bytes, GZIP, lambda: zlib.decompressobj(wbits=GZIP_OR_ZLIB))


def _inflate_one(body: bytes, max_bytes: int) -> bytes:
    for wbits in (GZIP_OR_ZLIB, RAW):
        stream = zlib.decompressobj(wbits=wbits)
        try:
            text = stream.decompress(body, max_bytes)
        except zlib.error:
            continue
        if stream.eof or len(text) >= max_bytes:
            return text
    return _plain(body)


def _brotli(body: bytes, max_bytes: int) -> bytes:
    stream = brotli.Decompressor()
    pieces: list[bytes] = []
    given = body
    try:
        while max_bytes > 0 and not stream.is_finished():
            piece = stream.process(given, output_buffer_limit=max_bytes)[:max_bytes]  # it is not exact
            if not piece and not given:
                break
            given = b""
            pieces.append(piece)
            max_bytes -= len(piece)
    except brotli.error:
        return _plain(body)
    return b"".join(pieces) if stream.is_finished() or max_bytes <= 0 else _plain(body)


def _zstd(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(FRAME):
        return _plain(body)
    return _parts(body, max_bytes, FRAME, ZstdFrame)


def _parts(body: bytes, max_bytes: int, magic: bytes, start: Callable[[], Part]) -> bytes:
    """Decompress all parts that stand in a row, each with a decompressor of its own; each begins with `magic`."""
    pieces: list[bytes] = []
    while body.startswith(magic) and max_bytes > 0:
        part = start()
        try:
            pieces.append(part.decompress(body, max_bytes)[:max_bytes])
        except (zlib.error, ZstdError) as error:
            raise DamagedBodyError from error
        max_bytes -= len(pieces[-1])
        if not part.eof and max_bytes > 0:
            raise DamagedBodyError
        body = part.unused_data
    return b"".join(pieces)


def _join_chunks(body: bytes, max_bytes: int) -> bytes:
    """Join chunks up to the last one, which is empty. What follows it (trailers) is ignored."""
    line = CHUNK_SIZE.match(body)
    if line is None:
        return body
    chunks: list[bytes] = []
    while line is not None:
        size = int(line[1], 16)
        if not size:
            return b"".join(chunks)
        end = line.end() + size
        if not line[2] or not body.startswith(line[2], end):
            break
        chunks.append(body[line.end() : end])
        line = CHUNK_SIZE.match(body, end + len(line[2]))
    raise DamagedBodyError


def _plain(body: bytes) -> bytes:
    """Return a body that is in no coding."""
    if BINARY.search(body, 0, TEXT_WINDOW):
        raise DamagedBodyError
    return body


CODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "chunked": _join_chunks,
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate,
    "br": _brotli,
    "zstd": _zstd,
}
