"""Reads task files: JSONL, TSV and Parquet, as rows. A row that cannot be read is rejected, and the others stay."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from stages.formats.chat.rejects import Reject

Row = dict[str, Any]
INLINE = re.compile(r"\A(?P<text>.*?)\nOptions:\n(?P<items>- .*)\Z", re.DOTALL)


def read_rows(path: Path, columns: tuple[str, ...], inline_options: str = "") -> Iterator[Row | Reject]:
    """Yield the rows of a file, in order, with a Reject in the place of each that cannot be read."""
    readers = {".jsonl": _read_jsonl, ".parquet": _read_parquet}
    try:
        rows = readers[path.suffix](path) if path.suffix in readers else _read_tsv(path, columns)
        for row in rows:
            yield row if isinstance(row, Reject) else _with_options(row, inline_options)
    except (UnicodeDecodeError, pyarrow.ArrowException) as error:
        yield Reject("unreadable_file", str(error))


def _read_jsonl(path: Path) -> Iterator[Row | Reject]:
    for line in _lines(path):
        try:
            row = json.loads(line.decode())
        except (ValueError, RecursionError) as error:
            row = Reject("unreadable_row", f"{error}: {line!r}")
        yield row if isinstance(row, (dict, Reject)) else Reject("unreadable_row", f"not an object: {line!r}")


def _read_tsv(path: Path, columns: tuple[str, ...]) -> Iterator[Row | Reject]:
    """Yield rows of cells. A quotation mark is a character like any other, as in FLAN's files."""
    lines = _lines(path)
    names = columns or tuple(next(lines, b"").decode().split("\t"))
    for line in lines:
        try:
            cells = [cell.replace("\\n", "\n") for cell in line.decode().split("\t")]
        except UnicodeDecodeError as error:
            yield Reject("unreadable_row", f"{error}: {line!r}")
            continue
        if len(cells) == len(names):
            yield dict(zip(names, cells, strict=True))
        else:
            yield Reject("unreadable_row", f"{len(cells)} cells of {len(names)}: {line!r}")


def _read_parquet(path: Path) -> Iterator[Row | Reject]:
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except OSError as error:
        if error.errno is not None:  # the file system's; of a damaged file Arrow raises one without
            raise
        yield Reject("unreadable_file", str(error))


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that hold something. Only a line feed ends one: U+2028 and such are part of a text."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if text := (line if number else line.removeprefix(codecs.BOM_UTF8)).rstrip(b"\r\n"):
                yield text


def _with_options(row: Row, column: str) -> Row:
    """Return the row with the options at the end of a column taken out, if there are any."""
    found = INLINE.match(str(row.get(column, ""))) if column else None
    if found is None:
        return row
    options = [item.removeprefix("- ") for item in found["items"].split("\n")]
    return {**row, column: found["text"], "options": options}
