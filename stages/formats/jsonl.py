"""Files of JSON lines whose rows all have certain fields, and may have more."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError


def parse_row(line: str, fields: Collection[str]) -> dict[str, Any] | None:
    """Return a line's row, or None if it is none (the last line of a killed run is often cut)."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and set(fields) <= row.keys() else None


def read_rows(path: Path, fields: Collection[str], what: str) -> list[dict[str, Any]]:
    """Return the rows in order; `what` they are, for the message. Raises DataError, naming the file and the line, if
    one lacks a field.
    """
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        row = parse_row(line, fields)
        if row is None:
            raise DataError(path, f"no {what}: {line[:80]!r}", f"Want JSON with {', '.join(fields)}", number)
        rows.append(row)
    return rows
