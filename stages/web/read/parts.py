"""Parts of a WARC file: its gzip members or zstd frames, or the whole of a plain file. Reads forward only, in little
memory.

After damage it continues at the next member or frame that inflates to a WARC record. A zstd file may begin with a
dictionary (IIPC, WARC with zstd compression, 0.1).
"""

from __future__ import annotations

import re
import zlib
from typing import Protocol

import zstandard
from isal import igzip_lib

from stages.text.zstd_frames import FRAME, ZstdError, ZstdFrame

GZIP = b"\x1f\x8b\x08"
RECORD = b"WARC/"
MEMBER = re.compile(GZIP + b"|" + re.escape(FRAME))
START = re.compile(MEMBER.pattern + rb"|WARC/\d\.\d")
MARK_CHARS = 8
"""Length of the longest mark that START finds."""
BLOCK = 1 << 20
"""Bytes read at once."""
FEED = 1 << 16
"""Compressed bytes inflated at once."""
PIECE = 1 << 20
"""Largest piece of content: the bound on memory for a member that inflates to a thousand times its size."""
RETAINED = 16 << 20
"""Compressed bytes of a damaged member that are searched for the next one. Damage is noticed sooner than that."""
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18(....)", re.DOTALL)
"""The head of a zstd frame without content, with its size."""
DICTIONARY = b"\x5d"
"""First byte of the one that holds a dictionary."""
MAX_DICTIONARY = 1 << 24
TRIED = 4096
"""Compressed bytes from which the beginning of a member must inflate to that of a record."""


class Stream(Protocol):
    """The source of bytes: a file, or an object like one."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; no bytes at the end."""


class DamagedError(Exception):
    """The present part cannot be inflated further, or the bytes after it are not a part."""


class CutError(DamagedError):
    """The file ends within the present part."""


class Parts:
    """The parts of a file, one after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._raw = bytearray()
        self._at = 0
        """Place in _raw of the first byte that is not inflated yet."""
        self._begin = 0
        """Place in _raw of the present member."""
        self._is_read = False
        self._inflate: igzip_lib.IgzipDecompressor | ZstdFrame | None = None
        self._dictionary = b""
        """Dictionary of the zstd frames."""
        self.is_plain = False
        self.passed = 0
        """Bytes that were skipped before the present part."""

    def next(self) -> bool:
        """Move from the end of this part to the next one; False if there is none. Zeros between parts are skipped.

        Raises DamagedError if other bytes follow.
        """
        self._inflate = None
        if self.is_plain:
            return False
        while self._fill(len(GZIP)) and not self._raw[self._at]:
            zeros = len(self._raw) - self._at - len(self._raw[self._at :].lstrip(b"\0"))
            self._begin = self._at = self._at + zeros
        self._begin = self._at
        while self._pass_skippable():
            pass
        self._fill(len(FRAME))
        head = bytes(self._raw[self._at : self._at + len(FRAME)])
        if not head:
            return False
        if head.startswith(GZIP):
            self._inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            return True
        if head == FRAME:
            self._inflate = ZstdFrame(self._dictionary)
            return True
        raise CutError if GZIP.startswith(head) or FRAME.startswith(head) else DamagedError

    def more(self) -> bytes:
        """Return the next piece of the present part's content; no bytes at its end, after a correct checksum."""
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
            except (igzip_lib.error, ZstdError) as error:  # type: ignore[misc]  # its stub calls the exception a variable
                raise DamagedError from error
            if inflate.eof:
                self._at -= len(inflate.unused_data)
            if data:
                return data
        self._inflate = None
        return b""

    def start(self) -> bool:
        """Move to the first part that begins with a record, compressed or plain; False if the file has none."""
        while self._pass_skippable():
            pass
        return self._seek(START)

    def seek_record(self) -> bool:
        """Move to the next member that begins with a record; False if there is none."""
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
            if found[0].startswith(RECORD):
                self.is_plain = True
                return True
            self._fill(TRIED)
            if self._holds_record(bytes(self._raw[self._at : self._at + TRIED])):
                return self.next()
            self._at += 1
            self.passed += 1

    def _holds_record(self, data: bytes) -> bool:
        try:
            if data.startswith(FRAME):
                head = ZstdFrame(self._dictionary).decompress(data, 2 * len(RECORD))
            else:  # zlib, because igzip reads ahead and would meet damage after the beginning
                head = zlib.decompressobj(wbits=31).decompress(data, 2 * len(RECORD))
        except (zlib.error, ZstdError):
            return False
        return head.lstrip(b"\r\n").startswith(RECORD)

    def _pass_skippable(self) -> bool:
        """Move past a zstd frame without content, if there is one here. Side effect: keeps a dictionary."""
        self._fill(8)
        head = SKIPPABLE.match(self._raw, self._at)
        if head is None:
            return False
        size, kind = int.from_bytes(head[1], "little"), head[0][:1]
        self._begin = self._at = head.end()
        if kind == DICTIONARY and size <= MAX_DICTIONARY:
            self._fill(size)
            self._dictionary = _plain_dictionary(bytes(self._raw[self._at : self._at + size]))
        while size and self._fill(1):
            step = min(size, len(self._raw) - self._at)
            self._begin = self._at = self._at + step
            size -= step
        return True

    def _feed(self) -> bytes:
        if self._at - self._begin > RETAINED:
            self._begin = self._at - RETAINED
        if not self._fill(1):
            raise CutError
        data = bytes(memoryview(self._raw)[self._at : self._at + FEED])
        self._at += len(data)
        return data

    def _fill(self, wanted: int) -> bool:
        """Read until `wanted` bytes lie ahead or the file ends; return whether any do."""
        while len(self._raw) - self._at < wanted and not self._is_read:
            del self._raw[: self._begin]
            self._at -= self._begin
            self._begin = 0
            block = self._stream.read(BLOCK)
            self._is_read = not block
            self._raw += block
        return self._at < len(self._raw)


def _plain_dictionary(data: bytes) -> bytes:
    """Return a dictionary, which may be compressed itself; an empty one if it is damaged."""
    if not data.startswith(FRAME):
        return data
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)[:MAX_DICTIONARY]
    except ZstdError:
        return b""
