"""The metrics format: JSON lines, one a training step. Written by stages/train, read by reports.

    {"step": 1, "tokens": 2048, "loss": 6.21, "lr": 5e-05, "grad_norm": 3.1, "tokens_per_s": 7100.0, "wall_time": 1.7e9}

`tokens` counts those seen since step 0; `loss` is in nats a token, over the step's whole batch and before its update;
`wall_time` is the Unix time of the line. Time, speed and memory are all that differs between two equal runs.

Some rows have more:

    mfu          share of the GPUs' peak that the model's own operations took; where the peak is known
    memory_mb    the most memory that any rank has used so far: a GPU's as torch counts it, else a process's
    dropped      share of the experts that tokens wanted and that were full; where experts have a capacity
    heldout      mean loss, in nats a token, on sequences that are never trained on; after the step's update
    left_out     spike, not finite or overflow: why the batch was not trained on; with
    why            the same in words, the first bad layer among them
    sequences      first and last of its sequences, counted from 0 over the whole run
    back_to        the step whose weights came back: the batches since then are left out too

Any other name is a number of the training's objective, such as `accuracy`, or that number on held-out sequences, such
as `heldout_accuracy`.

A loss that is not finite is written as Python's json does: NaN, Infinity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_row, read_rows
from stages.shared.files import write_atomic

FIELDS = ("step", "tokens", "loss", "lr", "grad_norm", "tokens_per_s", "wall_time")

OPTIONAL = ("mfu", "memory_mb", "dropped", "heldout", "left_out", "why", "sequences", "back_to")

Metrics = dict[str, Any]


def write_metrics(path: Path, rows: Iterable[Metrics]) -> None:
    """Write all rows, replacing the file."""
    write_atomic(path, "".join(metrics_line(row) for row in rows))


def metrics_line(row: Metrics) -> str:
    """Return a row as its line, newline included."""
    names = dict.fromkeys((*FIELDS, *OPTIONAL, *row))
    return json.dumps({name: row[name] for name in names if name in FIELDS or row.get(name) is not None}) + "\n"


def read_metrics(path: Path) -> list[Metrics]:
    """Return the rows in order. Raises DataError, naming the file and the line, if one is no metrics row."""
    return read_rows(path, FIELDS, "metrics row")


def parse_metrics_line(line: str) -> Metrics | None:
    """Return a line's row, or None if it is none."""
    return parse_row(line, FIELDS)
