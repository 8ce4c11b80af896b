"""A run's metrics.jsonl and its lines on the console."""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO

from stages.shared.metrics import METRICS, metrics_line, parse_metrics_line, write_metrics
from stages.train.config import TrainingConfig
from stages.train.schedule import batch_size, sequences_before


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

    def end_step(self, step: int, *, loss: float, lr: float, grad_norm: float) -> None:
        """Write the row of step `step`, counted from 1."""
        tokens = sequences_before(self._config, step) * self._config.model.seq_len
        speed = batch_size(self._config, step - 1) * self._config.model.seq_len / (time.monotonic() - self._began)
        row = {"step": step, "tokens": tokens, "loss": loss, "lr": lr, "grad_norm": grad_norm}
        self._file.write(metrics_line({**row, "tokens_per_s": round(speed, 1), "wall_time": round(time.time(), 3)}))
        if step % self._config.log_every == 0 or step == self._config.steps:
            line = f"step {step}/{self._config.steps}  loss {loss:.4f}  lr {lr:.2e}  {speed:.0f} tokens/s"
            print(line, flush=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
