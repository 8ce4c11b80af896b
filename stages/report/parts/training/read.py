"""Reads what a training wrote about itself: metrics, sources, statistics by layer, times by rank."""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.formats.kinds import KINDS
from stages.formats.metrics import Metrics, read_metrics
from stages.formats.readings import Reading, read_readings
from stages.formats.telemetry.layers import LayerRow, read_layers
from stages.formats.telemetry.rank_times import RankTimes, read_ranks
from stages.report.part import Material


@dataclass(frozen=True, kw_only=True)
class TrainingFiles:
    """Content of a training's files."""

    rows: list[Metrics]
    """One row a step, in order."""
    readings: list[Reading] = field(default_factory=list)
    """Tokens from each source; empty if the training wrote none."""
    layers: list[LayerRow] = field(default_factory=list)
    """Norms by part of the model, in order of step; empty unless `layer_stats_every` is set."""
    ranks: RankTimes | None = None
    """Times by rank; None if the training measured none."""


def read(material: Material) -> TrainingFiles:
    """Return the content of a section's files. Raises DataError, naming the file, for one that is damaged."""
    return TrainingFiles(
        rows=[row for file in material.of(KINDS.metrics) for row in read_metrics(file.path)],
        readings=[reading for file in material.of(KINDS.readings) for reading in read_readings(file.path)],
        layers=[row for file in material.of(KINDS.layers) for row in read_layers(file.path)],
        ranks=next((read_ranks(file.path) for file in material.of(KINDS.rank_times)), None),
    )
