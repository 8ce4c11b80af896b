"""Reads files of published data: a JSON array, or JSON lines whatever the suffix is; plain or gzip. Light."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.formats.chat.rejects import Reject
from stages.shared.errors import DataError

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
HEAD_BYTES = 1 << 20
"""Bytes that are read to know the format of a record."""
PEEK_BYTES = 4096
Fields = tuple[tuple[str, ...], ...]
"""Groups of fields: a record of a format has all of one group."""
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


def read_records(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number of each record, from 1, and its value: a Reject for a line that is no JSON.

    The number is that of the line, or the place in the array. Raises DataError for an array or gzip file that is
    damaged.
    """
    try:
        with _opened(path) as file:
            if _is_array(file.peek(PEEK_BYTES)):
                yield from enumerate(json.load(file), start=1)
                return
            for number, line in enumerate(file, start=1):
                if text := line.removeprefix(codecs.BOM_UTF8).strip():
                    yield number, _value(text)
    except _BROKEN as error:
        raise DataError(path, f"not a whole gzip file ({error})", "Copy the file again") from error
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"not JSON ({error})", "Mend the file") from error


def first_record(path: Path) -> Any:
    """Return the first record of a file, from its head; None if that cannot be read.

    Raises OSError for a file that cannot be opened.
    """
    try:
        with _opened(path) as file:
            head = file.read(HEAD_BYTES).removeprefix(codecs.BOM_UTF8)
        text = head.decode(errors="replace").lstrip().removeprefix("[").lstrip()
        return json.JSONDecoder().raw_decode(text)[0]
    except (*_BROKEN, ValueError, RecursionError):
        return None


def _opened(path: Path) -> io.BufferedReader | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _is_array(head: bytes) -> bool:
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


def _value(line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        return Reject("unreadable_record", f"{error}: {line[:200]!r}")


def is_of(record: Any, fields: Fields) -> bool:
    """Return whether a record has all fields of a group."""
    return isinstance(record, dict) and any(set(group) <= record.keys() for group in fields)


def shown(fields: Fields) -> str:
    """Return the groups as text for a message."""
    return " or ".join(f"fields {', '.join(group)}" for group in fields)
