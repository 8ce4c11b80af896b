"""The metrics format: JSON lines, one a training step. Written by stages/train, read by the report.

    {"step": 1, "tokens": 2048, "loss": 6.21, "lr": 5e-05, "grad_norm": 3.1, "tokens_per_s": 7100.0, "wall_time": 1.7e9}

`tokens` counts the tokens since step 0. `loss` is in nats a token, over the step's whole batch and before its update.
`wall_time` is the Unix time of the line. Two equal runs differ in time, speed and memory alone.

A row may hold any further value by name; a number gets a curve of its own in the report. Names with a meaning:

    mfu          share of the GPUs' peak used by the model's own operations; where the peak is known
    memory_mb    the most memory that any rank has used so far: a GPU's as torch counts it, else a process's
    dropped      share of the expert places that tokens asked for in vain; where experts have a capacity
    heldout      mean loss, in nats a token, on sequences that are never trained on; after the step's update
    left_out     spike, not finite or overflow: why the step did not train on its batch; with
    why            the cause in words, the first bad layer among them
    sequences      first and last sequence of the batch, counted from 0 over the whole run
    back_to        the step whose weights were restored: the batches since then are left out too

Any other name is a number of the training's objective, such as `accuracy`, or that number on held-out sequences, such
as `heldout_accuracy`.

A loss that is not finite is written as Python's json does: NaN, Infinity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_row, read_rows
from stages.shared.files import write_atomic

FIELDS = ("step", "tokens", "loss", "lr", "grad_norm", "tokens_per_s", "wall_time")
"""Values of every row."""
MEASURED_FIELDS = ("mfu", "memory_mb", "dropped", "heldout")
"""Numbers of some rows that the training loop measures itself."""
EVENT_FIELDS = ("left_out", "why", "sequences", "back_to")
"""Values that describe one step and are no curve."""

Metrics = dict[str, Any]


def write_metrics(path: Path, rows: Iterable[Metrics]) -> None:
    """Write all rows, replacing the file."""
    write_atomic(path, "".join(metrics_line(row) for row in rows))


def metrics_line(row: Metrics) -> str:
    """Return a row as its line, newline included: FIELDS first, then all other values that are not None."""
    more = {name: value for name, value in row.items() if name not in FIELDS and value is not None}
    return json.dumps({name: row[name] for name in FIELDS} | more) + "\n"


def further_numbers(rows: Sequence[Metrics]) -> list[str]:
    """Return the names beyond FIELDS under which some row has a number, in order of appearance."""
    fixed = {*FIELDS, *EVENT_FIELDS}
    names = (name for row in rows for name, value in row.items() if name not in fixed and is_number(value))
    return list(dict.fromkeys(names))


def is_number(value: object) -> bool:
    """Return whether a value can be a point of a curve; NaN and infinities can, truth values cannot."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_metrics(path: Path) -> list[Metrics]:
    """Return the rows in order. Raises DataError, naming file and line, if one lacks one of FIELDS."""
    return read_rows(path, FIELDS, "metrics row")


def parse_metrics_line(line: str) -> Metrics | None:
    """Return the row of a line, or None if the line holds none."""
    return parse_row(line, FIELDS)
