"""Summary of a training: speed, memory, batches left out, times by rank, norms by layer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median, median_low
from typing import TypeVar

from stages.formats.metrics import Metrics
from stages.formats.telemetry.layers import LayerRow
from stages.formats.telemetry.rank_times import RankTime, RankTimes

Item = TypeVar("Item")
MAX_ROWS = 20
"""Steps listed, evenly spread."""
MAX_BAD = 50
"""Left-out batches listed."""
MAX_RANKS = 16
"""Ranks listed, stragglers and the slowest first."""
MAX_READINGS = 120
"""Measured steps that a heat map shows, evenly spread."""


@dataclass(frozen=True, kw_only=True)
class LayerGrid:
    """One number of every part of the model, measured step by measured step."""

    parts: tuple[str, ...]
    """In order, from the embedding to the head."""
    steps: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    """By part, then step; None if it was not finite."""


@dataclass(frozen=True, kw_only=True)
class SlowRanks:
    """The slowest ranks."""

    shown: tuple[RankTime, ...]
    total: int
    usual: float
    """Median of all ranks' own times, in seconds."""
    readings: int


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """A training in a few numbers."""

    first: Metrics
    last: Metrics
    """The first and last step of the curve."""
    rows: list[Metrics]
    """Some steps, for the table."""
    bad: list[Metrics]
    """Steps that left out their batch because of its loss or its gradient."""
    overflows: int
    """Steps skipped by fp16 loss scaling."""
    speed: float
    """Median of the steps' tokens a second."""
    mfu: float | None
    """Mean share of the GPUs' peak; None if the peak is unknown."""
    memory_mb: float | None
    """Most memory that a rank used; None if it was not measured."""
    layers: list[LayerRow]
    """The last measured step's."""
    ranks: SlowRanks | None
    heldout: list[Metrics]
    """Some of the steps that measured the loss on held-out text, for the table."""
    best: Metrics | None
    """The step with the lowest loss on held-out text; None if none measured it."""


def summarize(rows: Sequence[Metrics], layers: Sequence[LayerRow], ranks: RankTimes | None) -> TrainingSummary:
    """Return the summary of a training; `rows` are not empty."""
    good, used, heldout = trained(rows), having(rows, "mfu"), having(rows, "heldout")
    return TrainingSummary(
        first=good[0],
        last=good[-1],
        rows=spread(rows, MAX_ROWS),
        bad=bad(rows),
        overflows=overflows(rows),
        speed=median(row["tokens_per_s"] for row in rows),
        mfu=sum(row["mfu"] for row in used) / len(used) if used else None,
        memory_mb=max((row["memory_mb"] for row in having(rows, "memory_mb")), default=None),
        layers=latest(layers),
        ranks=slowest(ranks) if ranks else None,
        heldout=spread(heldout, MAX_ROWS),
        best=min(heldout, key=lambda row: row["heldout"] if isfinite(row["heldout"]) else inf, default=None),
    )


def trained(rows: Sequence[Metrics]) -> list[Metrics]:
    """Return the steps on the loss curve: all steps except those of bad batches; all steps if every batch was bad."""
    return [row for row in rows if row.get("left_out") in (None, "overflow")] or list(rows)


def bad(rows: Sequence[Metrics]) -> list[Metrics]:
    """Return the steps that left out their batch because of its loss or its gradient."""
    return [row for row in rows if row.get("left_out") not in (None, "overflow")]


def overflows(rows: Sequence[Metrics]) -> int:
    """Return the number of steps skipped by fp16 loss scaling."""
    return sum(row.get("left_out") == "overflow" for row in rows)


def having(rows: Sequence[Metrics], field: str) -> list[Metrics]:
    """Return the rows that have a value under a name."""
    return [row for row in rows if row.get(field) is not None]


def slowest(times: RankTimes) -> SlowRanks:
    """Return the ranks to show: those most often slow first, then the slowest."""
    order = sorted(times.ranks, key=lambda rank: (-rank.slow, -rank.seconds, rank.rank))
    usual = median_low(rank.seconds for rank in times.ranks)
    return SlowRanks(shown=tuple(order[:MAX_RANKS]), total=len(order), usual=usual, readings=times.readings)


def layer_grid(rows: Sequence[LayerRow], field: str) -> LayerGrid:
    """Return one field of the rows by part and step."""
    parts = tuple(dict.fromkeys(row["part"] for row in rows))
    steps = spread(list(dict.fromkeys(row["step"] for row in rows)), MAX_READINGS)
    found = {(row["part"], row["step"]): float(row[field]) for row in rows}
    cells = tuple(tuple(_finite(found.get((part, step))) for step in steps) for part in parts)
    return LayerGrid(parts=parts, steps=tuple(steps), values=cells)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most `most` items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]


def latest(rows: Sequence[LayerRow]) -> list[LayerRow]:
    """Return the rows of the last measured step."""
    return [row for row in rows if row["step"] == rows[-1]["step"]]


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
