"""Reads files of JSON lines, and names the file and the line of one that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from stages.shared.errors import DataError

Item = TypeVar("Item")


def parse_lines(
    path: Path, parse: Callable[[Any, int], Item], problem: str, remedy: str, *, skips_blank: bool = False
) -> Iterator[Item]:
    """Yield what `parse` makes of the JSON value and the number of each line, from 1, in order.

    Raises DataError, naming file and line, for a line that is no JSON or that `parse` refuses with an error of its own.
    """
    with path.open("rb") as lines:  # as text, a line that is no UTF-8 could not be named
        for number, line in enumerate(lines, start=1):
            if skips_blank and not line.strip():
                continue
            try:
                item = parse(json.loads(line), number)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise DataError(path, f"{problem} ({error!r})", remedy, record=number) from error
            yield item


def parse_row(line: str | bytes, fields: Collection[str]) -> dict[str, Any] | None:
    """Return the row of a line, or None if the line holds none (the last line of a killed run is often cut)."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and set(fields) <= row.keys() else None


def read_rows(path: Path, fields: Collection[str], noun: str) -> list[dict[str, Any]]:
    """Return the rows in order. Raises DataError, naming file and line, if one lacks a field.

    `noun` names a row in the message.
    """
    rows = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            row = parse_row(line, fields)
            if row is None:
                shown = line.decode(errors="replace")[:80]
                raise DataError(path, f"not a {noun}: {shown!r}", f"Write JSON with {', '.join(fields)}", number)
            rows.append(row)
    return rows
