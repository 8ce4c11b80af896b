"""Packed records: many small JSON records in one file, a line each: `name<TAB>JSON`.

A finished step of 100,000 units would keep as many completion marks. File systems of clusters limit the number of
files, so the launcher packs them when a run is finished. Readers look for a record's own file first, then in here:
a packer writes the packed file before it removes the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.shared.files import write_atomic


def read_packed(path: Path) -> dict[str, str]:
    """Return the JSON texts of a packed file by name; empty if there is no such file."""
    return dict(_records(path))


def packed_names(path: Path) -> frozenset[str]:
    """Return the names of the records in a packed file."""
    return frozenset(_records(path))


def packed_text(path: Path, name: str) -> str | None:
    """Return the JSON text of one record, None if the file does not hold it."""
    return _records(path).get(name)


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


def _records(path: Path) -> Mapping[str, str]:
    """Return the records of a packed file, which is replaced whole: read once for all units that are looked up."""
    try:
        found = path.stat()
        return _parsed(path, (found.st_ino, found.st_size, found.st_mtime_ns))
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=4)
def _parsed(path: Path, stamp: tuple[int, ...]) -> Mapping[str, str]:
    lines = (line.split("\t", 1) for line in path.read_text(encoding="utf-8").split("\n"))
    return {line[0]: line[1] for line in lines if len(line) == 2}
