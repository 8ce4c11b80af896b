"""Packed records: many small JSON records in one file, a line each: `name<TAB>JSON`.

A finished step of 100,000 units would keep as many completion marks. File systems of clusters limit the number of
files, so the launcher packs them when a run is finished. Readers look for a record's own file first, then in here:
a packer writes the packed file before it removes the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.shared.files import write_atomic


def read_packed(path: Path) -> dict[str, str]:
    """Return the JSON texts of a packed file by name; empty if there is no such file."""
    lines = (line.split("\t", 1) for line in _read(path).split("\n"))
    return {line[0]: line[1] for line in lines if len(line) == 2}


def packed_names(path: Path) -> frozenset[str]:
    """Return the names of the records in a packed file."""
    return frozenset(line.partition("\t")[0] for line in _read(path).split("\n") if "\t" in line)


def packed_text(path: Path, name: str) -> str | None:
    """Return the JSON text of one record, None if the file does not hold it."""
    found = f"\n{_read(path)}".partition(f"\n{name}\t")
    return found[2].partition("\n")[0] if found[1] else None


def write_packed(path: Path, records: Iterable[tuple[str, str]]) -> None:
    """Write records, each a name and its JSON text, as one file. Raises ValueError for a text that is not JSON."""
    lines = (f"{name}\t{json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)}\n" for name, text in records)
    write_atomic(path, (line.encode() for line in lines))


def one_packed(path: Path, name: str) -> Any:
    """Return the value of one record. Raises FileNotFoundError if it is not there, ValueError if it is not JSON."""
    text = packed_text(path, name)
    if text is None:
        raise FileNotFoundError(2, "No such record", f"{path}: {name}")
    return json.loads(text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
