"""The documents format: zstd JSONL, one document a line. This module owns it.

A line holds `id url text language language_score source dump`. Rejects are the same with `reason` and `step` added.
A document whose slow extractor failed has the text of the fast one, and `"extractor": "fallback"`. A document of a
curated source also has those of EXTRA_FIELDS that its source names.
Bytes depend on the documents alone (fixed compression level, one frame, sorted keys): equal content, equal file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import zstandard

from stages.shared.errors import DataError

FIELDS = ("id", "url", "text", "language", "language_score", "source", "dump")
EXTRA_FIELDS = ("licence", "date")
"""Licence (an SPDX identifier where its text is known) and date (ISO 8601), where the source names them."""
LEVEL = 3
BLOCK = 1 << 17
"""Compressed bytes read at a time."""


class DocumentWriter:
    """Writes documents one by one, as a context manager; counts documents and characters in `count` and `chars`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._stream = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(self._file)
        self.count = 0
        self.chars = 0

    def write(self, document: dict[str, Any]) -> None:
        """Append one document."""
        line = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        self._stream.write(line.encode("utf-8", errors="replace") + b"\n")
        self.count += 1
        self.chars += len(document["text"])

    def __enter__(self) -> DocumentWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()  # type: ignore[no-untyped-call]  # the stubs of zstandard leave it bare
        self._file.close()


def read_documents(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a file in order.

    Raises DataError, naming the file and the line, if the file is cut or a line is not a JSON object with a text.
    """
    line_number = 0
    try:
        with path.open("rb") as file:
            for line in _lines(file):
                line_number += 1
                document = _parsed(line)
                if not isinstance(document, dict) or not isinstance(document.get("text"), str):
                    raise ValueError("not an object with a text")
                yield document
    except (ValueError, zstandard.ZstdError) as error:
        remedy = "Make zstd-compressed JSONL with a string `text` on every line"
        raise DataError(path, f"unreadable ({error})", remedy, record=line_number) from error


def _parsed(line: bytes) -> Any:
    """Return the value of a line. orjson is four times as fast, but refuses lone surrogates, NaN and huge integers."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of one or more zstd frames. zstandard's own reader accepts a cut frame as a whole one."""
    inflate = zstandard.ZstdDecompressor().decompressobj()
    rest, is_whole = b"", False
    while block := file.read(BLOCK):
        while block:
            if is_whole:
                inflate = zstandard.ZstdDecompressor().decompressobj()
            *lines, rest = (rest + inflate.decompress(block)).split(b"\n")
            yield from lines
            is_whole = inflate.eof
            block = inflate.unused_data if is_whole else b""
    if not is_whole:
        raise ValueError("the file is cut off")
    if rest:
        yield rest
