"""The mixture format: what a mixture of tasks promised, and what was drawn. `instruct` writes it; the report reads it.

`mixture.json`: {"draws": ..., "cells": [{mixture, task, style, examples, rate, share, drawn}, ...],
"tasks": {task: {state, rows, examples, rejects}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class DrawnCell:
    """The examples of a task in one style."""

    mixture: str
    task: str
    style: str
    examples: int
    rate: int
    """Examples that count: up to the mixture's cap."""
    share: float
    """Promised share of all draws, from 0 to 1."""
    drawn: int


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """What became of a task's rows."""

    state: Literal["used", "broken", "held out"]
    """broken: none of its rows gave an example."""
    rows: int
    examples: int
    rejects: Mapping[str, int]
    """Rejected examples by reason."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A mixture that was drawn."""

    draws: int
    cells: tuple[DrawnCell, ...]
    tasks: Mapping[str, TaskState]


def write_mixture(path: Path, mixture: Mixture) -> None:
    """Write a mixture, atomically."""
    write_json(path, asdict(mixture))


def read_mixture(path: Path) -> Mixture:
    """Return the mixture of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        return Mixture(
            draws=value["draws"],
            cells=tuple(DrawnCell(**cell) for cell in value["cells"]),
            tasks={name: TaskState(**task) for name, task in value["tasks"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a mixture ({error!r})", "Run the unit that wrote it again") from error
