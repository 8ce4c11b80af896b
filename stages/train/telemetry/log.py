"""The log of a run: metrics.jsonl, layers.jsonl, ranks.json, TensorBoard and the console. On rank 0."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import IO, Any

from stages.formats.kinds import KINDS
from stages.formats.metrics import Metrics, metrics_line, parse_metrics_line, read_metrics, write_metrics
from stages.formats.telemetry.layers import LayerRow, layers_text, parse_layers_line, read_layers, write_layers
from stages.formats.telemetry.rank_times import read_ranks, write_ranks
from stages.shared import log
from stages.shared.files import write_atomic
from stages.shared.numbers import duration, size
from stages.train.config import TrainingConfig
from stages.train.stability.guard import Trouble
from stages.train.state.progress import Best
from stages.train.telemetry.stragglers import RankReading, Stragglers
from stages.train.telemetry.tensorboard import FOLDER, Board, publish_board
from stages.train.telemetry.utilisation import operations, peak_here

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """The numbers of a step, and its outcome; the same on every rank."""

    step: int
    """Counted from 1."""
    tokens: int
    """Trained on so far."""
    loss: float
    lr: float
    grad_norm: float
    dropped: float | None = None
    """Share of the tokens' expert choices that were dropped because the expert was full; None without a capacity."""
    trouble: Trouble | None = None
    """The reason why the batch was left out; None if it was trained on."""
    heldout: float | None = None
    """Held-out loss, in nats a token, with the weights after the step; None: it was not measured."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The objective's own numbers."""
    apart: float = 0.0
    """Seconds of the step that were not training."""


class StepLog:
    """Writes one row a step. Rows of a killed attempt beyond its checkpoint are cut off."""

    def __init__(self, work: Path, config: TrainingConfig, done: int, *, vocab_size: int, nodes: Sequence[str]) -> None:
        """Keep the rows of the `done` steps that the checkpoint holds, and append from there.

        `nodes` are all ranks' host names.
        """
        self._work, self._config, self._vocab_size = work, config, vocab_size
        self._schedule = config.schedule
        peak = peak_here(config.dtype)
        self._peak = peak and peak * len(nodes)
        self._stragglers = Stragglers(nodes)
        self._metrics = _reopened(work / KINDS.metrics.file, parse_metrics_line, write_metrics, done)
        self._layers = _reopened(work / KINDS.layers.file, parse_layers_line, write_layers, done)
        self._board = Board(work, done) if config.tensorboard else None
        if done:
            log.info(f"continuing after step {done} of {config.steps}")
        if self._board:
            log.info(f"curves: tensorboard --logdir {work / FOLDER}")
        self._said = _Moment(done, time.monotonic())
        self._began = time.monotonic()

    def start_step(self) -> None:
        """Note that a step begins: its speed is measured from here."""
        self._began = time.monotonic()

    def end_step(self, record: StepRecord, layers: list[LayerRow], reading: RankReading | None) -> None:
        """Write the row of a step, and its other measurements, if there are any."""
        row = self._row(record, time.monotonic() - self._began - record.apart, reading)
        self._metrics.write(metrics_line(row))
        self._layers.write(layers_text(layers))
        if self._board:
            self._board.add_row(row)
            self._board.add_layers(layers)
        if record.trouble and record.trouble.kind != "overflow":  # in fp16 they are common
            first, last = row["sequences"]
            reason = f"{record.trouble.kind}: {record.trouble.why}; sequences {first} to {last}"
            log.warning(f"step {record.step}: left out, {reason}")
        if reading:
            for line in self._stragglers.add(reading):
                log.warning(f"step {record.step}: {line}")
            write_ranks(self._work / KINDS.rank_times.file, self._stragglers.times(record.step))
            self._say(row, record.metrics)

    def log_heldout(self, step: int, loss: float, best: Best | None) -> None:
        """Log the held-out loss."""
        rank = "the lowest so far" if best is None or best.step == step else f"above step {best.step}'s {best.loss:.4f}"
        log.info(f"step {step}: held-out loss {loss:.4f}, {rank}")

    def _row(self, record: StepRecord, seconds: float, reading: RankReading | None) -> Metrics:
        step, config = record.step, self._config
        first, end = (self._schedule.sequences_before(done) for done in (step - 1, step))
        size = end - first
        row: Metrics = {
            "step": step,
            "tokens": record.tokens,
            "loss": record.loss,
            "lr": record.lr,
            "grad_norm": record.grad_norm,
            "tokens_per_s": round(size * config.model.seq_len / seconds, 1),
            "wall_time": round(time.time(), 3),
            "dropped": record.dropped and round(record.dropped, 6),
            "heldout": record.heldout,
        }
        row |= {name: value for name, value in record.metrics.items() if isfinite(value)}
        if self._peak:
            row["mfu"] = round(operations(config, self._vocab_size, size) / seconds / self._peak, 4)
        if reading:
            row["memory_mb"] = round(max(reading.memory_mb), 1)
        if record.trouble:
            trouble = record.trouble
            row |= {"left_out": trouble.kind, "why": trouble.why, "sequences": [first, end - 1]}
            row["back_to"] = trouble.back_to
        return row

    def _say(self, row: Metrics, metrics: Mapping[str, float]) -> None:
        """Log a line on the steps since the last line."""
        step, steps, now = row["step"], self._config.steps, time.monotonic()
        then, taken, planned = (self._schedule.sequences_before(of) for of in (self._said.step, step, steps))
        seconds = (now - self._said.at) / (taken - then)
        self._said = _Moment(step, now)
        parts = [f"step {step}/{steps}", f"loss {row['loss']:.4f}"]
        parts += [f"{name} {value:.4g}" for name, value in metrics.items()]
        parts.append(f"lr {row['lr']:.2e}")
        parts.append(f"{self._config.model.seq_len / seconds:,.0f} tokens/s")
        if "mfu" in row:
            parts.append(f"{100 * row['mfu']:.1f} % of the peak")
        parts.append(size(1e6 * row["memory_mb"]))
        if step < steps:
            parts.append(f"{duration((planned - taken) * seconds)} left")
        log.info("  ".join(parts))

    def flush(self) -> None:
        """Flush, so that the files are not behind the checkpoint."""
        if self._board:
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._metrics.close()
        self._layers.close()
        if self._board:
            self._board.close()


@dataclass(frozen=True)
class _Moment:
    step: int
    at: float
    """Seconds of a clock that only runs forward."""


def publish(work: Path, out: Path) -> Metrics:
    """Write a finished run's measurements to its outputs; return the last row of the metrics."""
    rows = read_metrics(work / KINDS.metrics.file)
    write_metrics(out / KINDS.metrics.file, rows)
    write_ranks(out / KINDS.rank_times.file, read_ranks(work / KINDS.rank_times.file))
    write_layers(out / KINDS.layers.file, read_layers(work / KINDS.layers.file))
    publish_board(work, out)
    return rows[-1]


def take_over(theirs: Path, work: Path) -> None:
    """Copy another run's measurements, as far as they exist: they begin this run's curves."""
    for name in (KINDS.metrics.file, KINDS.layers.file, KINDS.rank_times.file):
        if (theirs / name).is_file():
            write_atomic(work / name, (theirs / name).read_bytes())
    publish_board(theirs, work)


def _reopened(
    path: Path, parse: Callable[[str], Row | None], write: Callable[[Path, list[Row]], None], done: int
) -> IO[str]:
    """Keep the rows of a file that are of the first `done` steps, and open it for more."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    write(path, [row for line in lines if (row := parse(line)) and row["step"] <= done])
    return path.open("a", encoding="utf-8", buffering=1)
