"""A run's curves as TensorBoard event files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
FLUSH_S = 60
"""A reader sees no older state than this."""
NO_CURVES = {"step", "tokens", "wall_time", "left_out", "why", "sequences", "back_to"}
"""Fields of metrics.jsonl that are not drawn."""
_CURVES = {
    "loss": "train/loss",
    "heldout": "heldout/loss",
    "lr": "train/lr",
    "grad_norm": "train/grad_norm",
    "tokens_per_s": "speed/tokens_per_s",
    "mfu": "speed/mfu",
    "memory_mb": "speed/memory_mb",
    "dropped": "experts/dropped",
}
"""Curves by field; an objective's own numbers are drawn as `metrics/<name>`."""


class Board:
    """Writes a file an attempt in work/tensorboard.

    A later attempt's file says from which step on the earlier ones' are void, so no curve is drawn twice. They hold
    times and a host name: no two runs' are equal, and nothing is made from them.
    """

    def __init__(self, work: Path, done: int) -> None:
        """Go on after `done` steps."""
        self._writer = SummaryWriter(str(work / FOLDER), purge_step=done + 1, flush_secs=FLUSH_S)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Draw a step's row of metrics.jsonl, at the time that it has; say why a batch was left out."""
        step, moment = row["step"], row["wall_time"]
        for name, value in row.items():
            if value is not None and name not in NO_CURVES:
                self._writer.add_scalar(_CURVES.get(name, f"metrics/{name}"), value, step, walltime=moment)
        if row.get("left_out"):
            self._writer.add_text("left out", f"{row['left_out']}: {row['why']}", step, walltime=moment)

    def add_layers(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw the norms of every part of the model."""
        for row in rows:
            for field in ("weight_norm", "weight_max", "grad_norm", "activation_rms"):
                self._writer.add_scalar(f"{field}/{row['part']}", row[field], row["step"])

    def flush(self) -> None:
        """Have all on disk."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def publish_board(work: Path, out: Path) -> None:
    """Copy the event files, if there are any, to a run's outputs."""
    if (work / FOLDER).is_dir():
        shutil.copytree(work / FOLDER, out / FOLDER, dirs_exist_ok=True)
