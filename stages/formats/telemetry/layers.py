"""The format of statistics by layer: JSON lines, one for each part of the model and measured step. Written by
stages/train, read by the report.

    {"step": 100, "part": "layers.3", "weight_norm": 41.2, "weight_max": 0.31, "grad_norm": 0.08, "activation_rms": 1.3}

Parts are `embedding`, `layers.0` and so on, and `head` (the last norm and the output layer). Norms are over all weights
of a part, before the step's update and before its gradient is clipped. `weight_max` is the largest magnitude.
`activation_rms` is the root mean square of the part's output; of the head, of its norm's output.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_row, read_rows
from stages.shared.files import write_atomic

FIELDS = ("step", "part", "weight_norm", "weight_max", "grad_norm", "activation_rms")

LayerRow = dict[str, Any]


def layers_text(rows: Iterable[LayerRow]) -> str:
    """Return rows as lines."""
    return "".join(json.dumps({name: row[name] for name in FIELDS}) + "\n" for row in rows)


def write_layers(path: Path, rows: Iterable[LayerRow]) -> None:
    """Write all rows, replacing the file."""
    write_atomic(path, layers_text(rows))


def parse_layers_line(line: str) -> LayerRow | None:
    """Return the row of a line, or None if the line holds none."""
    return parse_row(line, FIELDS)


def read_layers(path: Path) -> list[LayerRow]:
    """Return the rows in order. Raises DataError, naming file and line, if one lacks one of FIELDS."""
    return read_rows(path, FIELDS, "row of a layer")
