"""A WARC file's content, part by part: its gzip members, or the whole of a plain file. Forward only, in little memory.

After damage it goes on at the next `1f 8b 08` behind which a WARC record comes out.
"""

from __future__ import annotations

import re
import zlib
from typing import Protocol

from isal import igzip_lib

GZIP = b"\x1f\x8b\x08"
RECORD = b"WARC/"
MEMBER = re.compile(GZIP)
START = re.compile(rb"\x1f\x8b\x08|WARC/\d\.\d")
MARK_CHARS = 8
"""Length of the longest of these."""
BLOCK = 1 << 20
"""Bytes read at once."""
FEED = 1 << 16
"""Compressed bytes inflated at once."""
PIECE = 1 << 20
"""Largest piece of content: what bounds the memory of a member that inflates to a thousand times its size."""
RETAINED = 16 << 20
"""Compressed bytes of a damaged member that are searched for the next one: it is noticed sooner that it is damaged."""
TRIED = 4096
"""Compressed bytes within which a member must show that it begins with a record."""


class Stream(Protocol):
    """What is read from: a file, or what stands for one."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


class DamagedError(Exception):
    """The present part cannot be inflated further, or what follows it is no part."""


class CutError(DamagedError):
    """The file ends within the present part."""


class Parts:
    """The parts of a file, one after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._raw = bytearray()
        self._at = 0
        """Place in _raw of the first byte not yet inflated."""
        self._begin = 0
        """Place in _raw of the present member."""
        self._is_read = False
        self._inflate: igzip_lib.IgzipDecompressor | None = None
        self.is_plain = False
        self.passed = 0
        """Bytes that were not used on the way to the present part."""

    def next(self) -> bool:
        """Go to the part after this one, which must be at its end; False if there is none. Zeros between are skipped.

        Raises DamagedError if there is something else.
        """
        self._inflate = None
        if self.is_plain:
            return False
        while self._fill(len(GZIP)) and not self._raw[self._at]:
            zeros = len(self._raw) - self._at - len(self._raw[self._at :].lstrip(b"\0"))
            self._begin = self._at = self._at + zeros
        self._begin = self._at
        head = bytes(self._raw[self._at : self._at + len(GZIP)])
        if not head:
            return False
        if head == GZIP:
            self._inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            return True
        raise CutError if GZIP.startswith(head) else DamagedError

    def more(self) -> bytes:
        """Return the next piece of the present part's content; nothing at its end, once its checksum was right."""
        if self.is_plain:
            self._fill(1)
            data = bytes(self._raw[self._at :])
            self._begin = self._at = len(self._raw)
            return data
        if self._inflate is None:
            return b""
        inflate = self._inflate
        while not inflate.eof:
            try:
                data = inflate.decompress(self._feed() if inflate.needs_input else b"", PIECE)
            except igzip_lib.error as error:
                raise DamagedError from error
            if inflate.eof:
                self._at -= len(inflate.unused_data)
            if data:
                return data
        self._inflate = None
        return b""

    def start(self) -> bool:
        """Go to the first part that begins with a record, gzip or plain; False if the file has none."""
        return self._seek(START)

    def seek_record(self) -> bool:
        """Leave the present part for the next member that begins with a record; False if there is none."""
        self._at = min(self._begin + 1, len(self._raw))
        return self._seek(MEMBER)

    def _seek(self, mark: re.Pattern[bytes]) -> bool:
        self.passed = 0
        self._inflate = None
        while True:
            self._begin = self._at
            self._fill(TRIED)
            found = mark.search(self._raw, self._at)
            if not found and self._is_read:
                return False
            place = found.start() if found else max(self._at, len(self._raw) - MARK_CHARS + 1)
            self.passed += place - self._at
            self._begin = self._at = place
            if not found:
                self._fill(MARK_CHARS)
                continue
            if found[0] != GZIP:
                self.is_plain = True
                return True
            self._fill(TRIED)
            if _holds_record(bytes(self._raw[self._at : self._at + TRIED])):
                return self.next()
            self._at += 1
            self.passed += 1

    def _feed(self) -> bytes:
        if self._at - self._begin > RETAINED:
            self._begin = self._at - RETAINED
        if not self._fill(1):
            raise CutError
        data = bytes(memoryview(self._raw)[self._at : self._at + FEED])
        self._at += len(data)
        return data

    def _fill(self, wanted: int) -> bool:
        """Read until `wanted` bytes lie ahead or the file ends; return whether any lie ahead."""
        while len(self._raw) - self._at < wanted and not self._is_read:
            del self._raw[: self._begin]
            self._at -= self._begin
            self._begin = 0
            block = self._stream.read(BLOCK)
            self._is_read = not block
            self._raw += block
        return self._at < len(self._raw)


def _holds_record(data: bytes) -> bool:
    try:  # zlib, because igzip inflates ahead, into damage that lies behind the beginning
        head = zlib.decompressobj(wbits=31).decompress(data, 2 * len(RECORD))
    except zlib.error:
        return False
    return head.lstrip(b"\r\n").startswith(RECORD)
