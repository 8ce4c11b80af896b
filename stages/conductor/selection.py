"""Selection of a model for a task of a plan: candidates of a catalogue, and the choice in a controller's reply.

The catalogue has an entry a model, as JARVIS's `p0_models.jsonl`: {"id", "task", "downloads", "likes", "description"}.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from stages.conductor.plans import objects_in
from stages.formats.jsonl import parse_lines

Order = Literal["list", "likes", "downloads"]
LOOKED_AT, CANDIDATES, DESCRIPTION = 10, 5, 100
"""Models of a task that are looked at, candidates that are shown, and characters of a description. The paper's code."""


class Entry(NamedTuple):
    """A model of a catalogue."""

    id: str
    task: str
    likes: int
    downloads: int
    description: str


class Choice(NamedTuple):
    """The model that a controller chose."""

    id: str
    reason: str


def read_catalogue(path: Path) -> list[Entry]:
    """Return the models of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return list(parse_lines(path, _entry, "not a model", "Write JSON with id and task", skips_blank=True))


def _entry(record: Mapping[str, Any], _number: int) -> Entry:
    return Entry(
        id=str(record["id"]),
        task=str(record["task"]),
        likes=int(record.get("likes") or 0),
        downloads=int(record.get("downloads") or 0),
        description=str(record.get("description") or ""),
    )


def candidates(
    catalogue: Sequence[Entry], task: str, available: Collection[str] | None = None, order: Order = "list"
) -> list[Entry]:
    """Return the candidates for a task: of its first ten models those that are available, at most five.

    `available`: ids; None: all. `order` "list" is that of the catalogue, which JARVIS sorted by likes. Descriptions are
    cut.
    """
    found = [entry for entry in catalogue if entry.task == task]
    if order != "list":
        found.sort(key=lambda entry: -int(getattr(entry, order)))
    usable = [entry for entry in found[:LOOKED_AT] if available is None or entry.id in available]
    return [entry._replace(description=entry.description[:DESCRIPTION]) for entry in usable[:CANDIDATES]]


def choice_of(reply: str, shown: Sequence[Entry]) -> Choice:
    """Return the choice in a reply: its first object with the id of a candidate; else the first candidate, and why.

    Raises ValueError without candidates.
    """
    if not shown:
        raise ValueError("no candidates")
    known = {entry.id for entry in shown}
    for record in objects_in(reply):
        if record.get("id") in known:
            return Choice(str(record["id"]), str(record.get("reason", "")))
    return Choice(shown[0].id, "the reply names no candidate: the first one is taken")
