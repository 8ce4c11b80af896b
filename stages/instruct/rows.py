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

from stages.instruct.rejects import Reject

Row = dict[str, Any]
INLINE = re.compile(r"\A(?P<text>.*?)\nOptions:\n(?P<items>- .*)\Z", re.DOTALL)
LABELLED = re.compile(r"\((?P<label>\w)\) (?P<text>.*)", re.DOTALL)


def read_rows(path: Path, columns: tuple[str, ...], inline_options: str = "") -> Iterator[Row | Reject]:
    """Yield the rows of a file, in order, with a Reject in the place of each that cannot be read."""
    readers = {".jsonl": _read_jsonl, ".parquet": _read_parquet}
    try:
        rows = readers[path.suffix](path) if path.suffix in readers else _read_tsv(path, columns)
        for row in rows:
            yield row if isinstance(row, Reject) else _normal(row, inline_options)
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
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that hold something. Only a line feed ends one: U+2028 and such are part of a text."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if text := (line if number else line.removeprefix(codecs.BOM_UTF8)).rstrip(b"\r\n"):
                yield text


def _normal(row: Row, inline_options: str) -> Row | Reject:
    """Return the row with `options` as a list of texts and `answer` as one of them, if it has options."""
    found = INLINE.match(str(row.get(inline_options, ""))) if inline_options else None
    if found:
        items = [item.removeprefix("- ") for item in found["items"].split("\n")]
        row = {**row, inline_options: found["text"], "options": items}
    options = row.get("options")
    if not isinstance(options, list) or not options or "answer" not in row:
        return row
    texts = [str(option) for option in options]
    matches = [found for found in map(LABELLED.fullmatch, texts) if found]
    labels: list[str] = []
    if len(matches) == len(texts):
        labels, texts = [found["label"] for found in matches], [found["text"] for found in matches]
    place = _place(row["answer"], texts, labels)
    if place is None:
        return Reject("answer_not_an_option", f"{row['answer']!r} of {options}")
    return {**row, "options": texts, "answer": texts[place]}


def _place(answer: Any, texts: list[str], labels: list[str]) -> int | None:
    """Return the number of the option that an answer names: by its number, its text, its label `(B)`, or both."""
    if isinstance(answer, int) and not isinstance(answer, bool):
        return answer if 0 <= answer < len(texts) else None
    marked = [f"({label})" for label in labels]
    both = [f"{mark} {text}" for mark, text in zip(marked, texts, strict=False)]
    return next((names.index(answer) for names in (texts, marked, labels, both) if answer in names), None)
