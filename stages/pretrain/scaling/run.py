"""Reads the ends of trainings and writes the power law through them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.metrics import Metrics, read_metrics
from stages.formats.pieces import count_pieces
from stages.formats.telemetry.scaling import Point, write_law
from stages.model.checkpoint.settings import PlannedModel
from stages.pretrain.scaling.config import ScalingConfig
from stages.pretrain.scaling.fit import law
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.task import Task


def run(task: Task[ScalingConfig]) -> dict[str, Any]:
    """Write the law into task.out; return its exponent."""
    config, files = task.config, task.inputs["metrics"]
    pieces = count_pieces(task.inputs["tokenizer"][0].path)
    rows = {file: list(read_metrics(file.path)) for file in files}
    heldout = all(any(row.get("heldout") is not None for row in some) for some in rows.values())
    points = [_point(file, some, pieces, config.last, heldout=heldout) for file, some in rows.items()]
    if len({round(point.operations) for point in points}) < len(points):
        raise DataError(files[0].path, "two trainings of the same cost", "Give trainings of different size or length")
    asked = [(name, size.parameters, size.tokens) for name, size in config.ask.items()]
    found = law(points, asked, "heldout" if heldout else "training")
    write_law(task.out / KINDS.scaling.file, found)
    return {"exponent": found.exponent, **{each.point.name: each.point.loss for each in found.predictions}}


def _point(file: InputFile, rows: Sequence[Metrics], pieces: int, last: float, *, heldout: bool) -> Point:
    planned = PlannedModel.of(file)
    if planned is None or not rows:
        raise DataError(file.path, "no training of this run", "Name sections of this recipe in `metrics`")
    measured = [row["heldout"] for row in rows if row.get("heldout") is not None]
    ends = [row["loss"] for row in rows[-max(1, round(last * len(rows))) :]]
    return Point(
        name=file.source,
        parameters=float(planned.model.num_parameters(pieces)),
        tokens=float(rows[-1]["tokens"]),
        loss=float(measured[-1] if heldout else fmean(ends)),
    )
