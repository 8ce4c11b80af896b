"""Reads files of JSON lines whose rows all have certain fields, and may have more."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError


def parse_row(line: str, fields: Collection[str]) -> dict[str, Any] | None:
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
    with path.open(encoding="utf-8") as lines:  # str.splitlines also cuts at U+2028, which a text may hold
        for number, line in enumerate(lines, start=1):
            row = parse_row(line, fields)
            if row is None:
                raise DataError(path, f"not a {noun}: {line[:80]!r}", f"Write JSON with {', '.join(fields)}", number)
            rows.append(row)
    return rows
