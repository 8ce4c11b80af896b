"""The record of a conducted request: everything that its answer follows from. One JSON object a line.

Each exchange with the controller is there, the plan and its repairs, and for each task its candidates, the choice, the
arguments, and the result. `stages/conductor/replaying.py` makes the answer again from a record, without any model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from stages.formats.jsonl import parse_lines
from stages.shared.files import write_atomic

State = Literal["done", "failed", "skipped"]
"""`skipped`: it needs a task that was not done."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A prompt and its reply."""

    messages: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, Any]
    reply: str
    finish: str
    """As stages/teacher has it: `stop`, `length`, `filter`, `refused`, `unanswered`."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An expert that may do a task."""

    id: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Performed:
    """What an expert made of a call."""

    text: str = ""
    files: tuple[str, ...] = ()
    """Names of artefacts: digests of their content."""
    reason: str = ""
    """Reason why it failed, such as `timed_out`; empty: it did not."""
    detail: str = ""
    attempts: int = 1
    asked: str = ""
    """The text that an endpoint was asked; empty for experts that read no prompt."""


@dataclass(frozen=True, kw_only=True)
class Delegated:
    """A task of a plan, from its candidates to its result."""

    id: int
    task: str
    dep: tuple[int, ...]
    args: Mapping[str, str]
    """As planned."""
    candidates: tuple[Candidate, ...] = ()
    choice: Exchange | None = None
    """None: there was nothing to choose."""
    expert: str = ""
    why: str = ""
    """The controller's reason, or the rule that chose."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Arguments as the expert got them."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Arguments that are files, as artefacts."""
    state: State
    result: Performed = Performed()


@dataclass(frozen=True, kw_only=True)
class Conducted:
    """A request with its answer."""

    id: str
    text: str
    files: Mapping[str, str]
    """Artefacts by the names that the request gives them."""
    context: tuple[Mapping[str, Any], ...] = ()
    """Messages before the request."""
    offered: tuple[str, ...]
    """Tasks for which there are experts."""
    planning: Exchange
    plan: tuple[Mapping[str, Any], ...]
    """The tasks that could run, after repair."""
    repairs: tuple[str, ...]
    tasks: tuple[Delegated, ...] = ()
    answering: Exchange
    answer: str


def conducted_line(record: Conducted) -> str:
    """Return the line of a record. Equal records have equal lines."""
    return json.dumps(asdict(record), ensure_ascii=False, sort_keys=True) + "\n"


def write_conducted(path: Path, records: Iterable[Conducted]) -> None:
    """Write one record a line, in order, atomically."""
    write_atomic(path, (conducted_line(each).encode("utf-8", "replace") for each in records))


def read_conducted(path: Path) -> list[Conducted]:
    """Return the records of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return list(parse_lines(path, _conducted, "not a conducted request", "Run the unit that wrote it again"))


def _conducted(value: Mapping[str, Any], _number: int) -> Conducted:
    return Conducted(
        **{
            **value,
            "context": tuple(value["context"]),
            "offered": tuple(value["offered"]),
            "planning": _exchange(value["planning"]),
            "plan": tuple(value["plan"]),
            "repairs": tuple(value["repairs"]),
            "tasks": tuple(map(_delegated, value["tasks"])),
            "answering": _exchange(value["answering"]),
        }
    )


def _exchange(value: Mapping[str, Any]) -> Exchange:
    return Exchange(**{**value, "messages": tuple(value["messages"])})


def _delegated(value: Mapping[str, Any]) -> Delegated:
    return Delegated(
        **{
            **value,
            "dep": tuple(value["dep"]),
            "candidates": tuple(Candidate(**each) for each in value["candidates"]),
            "choice": None if value["choice"] is None else _exchange(value["choice"]),
            "result": Performed(**{**value["result"], "files": tuple(value["result"]["files"])}),
        }
    )
