"""The measurements of a step beside its loss: on every rank, since some of them are collective."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch.distributed as dist

from stages.formats.telemetry.layers import LayerRow
from stages.train.config import TrainingConfig
from stages.train.models import Models
from stages.train.objectives.base import Batch
from stages.train.state.progress import Best
from stages.train.telemetry.log import StepLog, StepRecord
from stages.train.telemetry.statistics import LayerStatistics
from stages.train.telemetry.stragglers import RankClock, RankReading, nodes


class Recorder:
    """Records a step: `start`, its batches through `batches`, `read` after the gradient's norm, `end`. Collective.

    A step without a reading costs no communication.
    """

    def __init__(self, work: Path, config: TrainingConfig, models: Models, vocab_size: int, done: int) -> None:
        self._config, self._main = config, models.main
        self._clock = RankClock(models.chunks)
        self._statistics: LayerStatistics | None = None
        self._step = done
        self._reading: RankReading | None = None
        self._layers: list[LayerRow] = []
        names = nodes()
        is_first = dist.get_rank() == 0
        self._log = StepLog(work, config, done, vocab_size=vocab_size, nodes=names) if is_first else None

    @property
    def _is_logged(self) -> bool:
        return self._step % self._config.log_every == 0 or self._step == self._config.steps

    @property
    def _has_layers(self) -> bool:
        every = self._config.layer_stats_every
        return every is not None and self._step % every == 0

    def start(self, step: int) -> None:
        """Begin step `step`, counted from 1."""
        self._step, self._reading, self._layers, self._statistics = step, None, [], None
        if self._log:
            self._log.start_step()
        if self._is_logged:
            self._clock.start()
        if self._has_layers:
            self._statistics = LayerStatistics(self._main, self._config.model.num_layers)
            self._statistics.start()

    def batches(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Return the batches, timed if the step is."""
        return self._clock.batches(batches) if self._is_logged else batches

    def read(self) -> None:
        """Take the step's readings, if it has any. Before the update: they read weights and gradient."""
        if self._is_logged:
            self._reading = self._clock.read()
        if self._statistics is not None:
            self._layers = self._statistics.read(self._step)

    def end(self, record: StepRecord, best: Best | None) -> None:
        """Write the step's record; `best` is the step with the lowest held-out loss so far."""
        if self._log:
            self._log.end_step(record, self._layers, self._reading)
            if record.heldout is not None:
                self._log.log_heldout(record.step, record.heldout, best)

    def flush(self) -> None:
        """Flush, so that the files are not behind the checkpoint."""
        if self._log:
            self._log.flush()

    def close(self) -> None:
        """Close the files."""
        if self._log:
            self._log.close()
