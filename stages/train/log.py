"""A run's metrics.jsonl and its lines on the console."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stages.shared.metrics import METRICS, metrics_line, parse_metrics_line, write_metrics
from stages.train.config import TrainingConfig
from stages.train.guard import Trouble
from stages.train.schedule import batch_size, sequences_before


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What became of a step, on any rank."""

    step: int
    """Counted from 1."""
    loss: float
    lr: float
    grad_norm: float
    dropped: float | None = None
    """Share of the experts that tokens wanted and that were full; None: they have no capacity."""
    trouble: Trouble | None = None
    """Why the batch was left out, if it was."""


class StepLog:
    """Writes one row a step; opened on rank 0 only. What a killed attempt wrote beyond its checkpoint is cut off."""

    def __init__(self, work: Path, config: TrainingConfig, done: int) -> None:
        """Keep the rows of the `done` steps that the checkpoint holds, and append from there."""
        self.path = work / METRICS
        self._config = config
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        rows = [row for line in lines if (row := parse_metrics_line(line)) and row["step"] <= done]
        write_metrics(self.path, rows)
        self._file: IO[str] = self.path.open("a", encoding="utf-8", buffering=1)
        self._began = time.monotonic()

    def start_step(self) -> None:
        """Note that a step begins: its speed is measured from here."""
        self._began = time.monotonic()

    def end_step(self, record: StepRecord) -> None:
        """Write the row of a step, and now and then a line for people."""
        step, config = record.step, self._config
        tokens = sequences_before(config, step) * config.model.seq_len
        speed = batch_size(config, step - 1) * config.model.seq_len / (time.monotonic() - self._began)
        row = {"step": step, "tokens": tokens, "loss": record.loss, "lr": record.lr, "grad_norm": record.grad_norm}
        row |= {"dropped": record.dropped and round(record.dropped, 6)}
        row |= {"tokens_per_s": round(speed, 1), "wall_time": round(time.time(), 3), **self._left_out(record)}
        self._file.write(metrics_line(row))
        if step % config.log_every == 0 or step == config.steps:
            line = f"step {step}/{config.steps}  loss {record.loss:.4f}  lr {record.lr:.2e}  {speed:.0f} tokens/s"
            print(line, flush=True)

    def _left_out(self, record: StepRecord) -> dict[str, Any]:
        """Return what a row says of a batch that was left out; say so too, but of fp16's everyday overflows."""
        trouble = record.trouble
        if trouble is None:
            return {}
        first, end = (sequences_before(self._config, step) for step in (record.step - 1, record.step))
        if trouble.kind != "overflow":
            print(
                f"step {record.step}: left out, {trouble.kind}: {trouble.why}; sequences {first} to {end - 1}",
                flush=True,
            )
        told = {"left_out": trouble.kind, "why": trouble.why, "sequences": [first, end - 1]}
        return told | ({} if trouble.back_to is None else {"back_to": trouble.back_to})

    def close(self) -> None:
        """Close the file."""
        self._file.close()
