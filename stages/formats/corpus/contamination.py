"""The contamination formats: items of evaluations, overlaps of documents with them, and their sums by task.

    items.jsonl         {task, item, text}: a question. `item` is its name in the outcomes of results.
    overlaps.jsonl      {task, item, document, source, words, passage}: a passage of a document that an item shares
    contamination.json  by task: items, items too short to look for, items found, a passage of some of these

`evaluate.items` writes the first, `decontaminate` the others. The evaluation report reads the last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_lines
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json

REMEDY = "Write {task, item, text}, three strings, on every line"


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question of an evaluation."""

    task: str
    item: str
    """Name among the questions of its task: that of results.Outcomes."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A passage of a document that an item shares."""

    task: str
    item: str
    document: str
    """Id of the document."""
    source: str
    words: int
    passage: str


@dataclass(frozen=True, kw_only=True)
class TaskContamination:
    """Sums of one task."""

    items: int
    short: int
    """Items that are too short to look for."""
    found: Mapping[str, int] = field(default_factory=dict)
    """Documents by the name of each item that was found."""


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """Sums over all documents."""

    documents: int
    """Documents that were searched."""
    contaminated: int
    """Those that share a passage with an item."""
    remove: str
    """What was removed: document, passage, nothing."""
    tasks: Mapping[str, TaskContamination]
    sources: Mapping[str, int]
    """Contaminated documents by source."""
    examples: tuple[Shared, ...]
    """Some overlaps, to read."""


def write_items(path: Path, items: Iterable[Item]) -> int:
    """Write one item a line; return their number."""
    return _write(path, items)


def write_shared(path: Path, overlaps: Iterable[Shared]) -> int:
    """Write one overlap a line; return their number."""
    return _write(path, overlaps)


def _write(path: Path, rows: Iterable[Item | Shared]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    return count


def read_items(path: Path) -> Iterator[Item]:
    """Yield the items of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return parse_lines(path, lambda row, _: Item(**_strings(row)), "not an item", REMEDY)


def read_shared(path: Path) -> Iterator[Shared]:
    """Yield the overlaps of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return parse_lines(path, lambda row, _: Shared(**row), "not an overlap", "Run the unit that wrote it again")


def _strings(row: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in row.values()):
        raise TypeError("a value that is no string")
    return row


def write_contamination(path: Path, found: Contamination) -> None:
    """Write the sums, atomically."""
    write_json(path, asdict(found))


def read_contamination(path: Path) -> Contamination:
    """Return the sums of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        tasks = {name: TaskContamination(**each) for name, each in value.pop("tasks").items()}
        examples = tuple(Shared(**each) for each in value.pop("examples"))
        return Contamination(tasks=tasks, examples=examples, **value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no sums of a contamination ({error!r})", "Run `decontaminate` again") from error
