"""The documents format: zstd JSONL, one document a line. This module owns it.

A line holds `id url text language language_score source dump`. Rejects are the same with `reason` and `step` added.
Bytes depend on the documents alone (fixed compression level, one frame, sorted keys): equal content, equal file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from stages.shared.errors import DataError

DOCUMENTS = "documents.jsonl.zst"
REJECTS = "rejects.jsonl.zst"
FIELDS = ("id", "url", "text", "language", "language_score", "source", "dump")
LEVEL = 3


class DocumentWriter:
    """Writes documents one by one; use as a context manager, then `count` and `chars` say what was written."""

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
        self._stream.close()
        self._file.close()


def read_documents(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a file in order.

    Raises DataError, naming the file and the line, if the file is cut or a line is not a JSON object with a text.
    """
    line_number = 0
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as raw:
            for line in io.TextIOWrapper(raw, encoding="utf-8"):
                line_number += 1
                document = json.loads(line)
                if not isinstance(document, dict) or not isinstance(document.get("text"), str):
                    raise ValueError("not an object with a text")
                yield document
    except (ValueError, zstandard.ZstdError) as error:
        remedy = "Want zstd-compressed JSONL with a string `text` on every line; remake the file"
        raise DataError(path, f"unreadable ({error})", remedy, record=line_number) from error
