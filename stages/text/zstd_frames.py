"""One zstd frame, inflated in bounded pieces, with the interface of igzip's and bz2's decompressors."""

from __future__ import annotations

import zstandard

FRAME = b"\x28\xb5\x2f\xfd"
FEED = 512
"""Compressed bytes inflated at once. They hold at most 170 blocks of 128 kB: the bound on memory."""
WINDOW = 1 << 27
"""Largest window of a frame: what the `zstd` tool accepts."""

ZstdError = zstandard.ZstdError


class ZstdFrame:
    """Inflates one frame. Raises ZstdError for damage."""

    def __init__(self, dictionary: bytes = b"") -> None:
        given = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._inflate = zstandard.ZstdDecompressor(dict_data=given, max_window_size=WINDOW).decompressobj()
        self._waiting = b""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing left to inflate."""
        return not self._waiting

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""
        return bool(self._inflate.eof)

    @property
    def unused_data(self) -> bytes:
        """The bytes after the frame."""
        return self._inflate.unused_data + self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return the next piece, which may be empty or somewhat larger than `max_length`."""
        waiting = self._waiting + data if data else self._waiting
        pieces: list[bytes] = []
        size, at = 0, 0
        while at < len(waiting) and size < max_length and not self._inflate.eof:
            pieces.append(self._inflate.decompress(waiting[at : at + FEED]))
            size += len(pieces[-1])
            at += FEED
        self._waiting = waiting[at:]
        return b"".join(pieces)
