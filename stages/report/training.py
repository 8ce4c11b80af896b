"""What the page says of a training beside its curves: batches left out, times by rank, norms by layer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median, median_low
from typing import TypeVar

from stages.formats.layers import LayerRow
from stages.formats.metrics import Metrics
from stages.formats.rank_times import RankTime, RankTimes

Item = TypeVar("Item")
MAX_ROWS = 20
"""Steps listed, evenly spread."""
MAX_BAD = 50
"""Batches listed that were left out."""
MAX_RANKS = 16
"""Ranks listed, the slowest first."""
MAX_READINGS = 120
"""Readings of the layers drawn, evenly spread."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One number of every part of the model, reading by reading."""

    parts: tuple[str, ...]
    """In order, from the embedding to the head."""
    steps: tuple[int, ...]
    values: tuple[tuple[float | None, ...], ...]
    """By part; None where it was not finite."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """The slowest ranks."""

    shown: tuple[RankTime, ...]
    total: int
    usual: float
    """The median of their own times, in seconds."""
    readings: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training in numbers."""

    first: Metrics
    last: Metrics
    """The first and last step of the curve."""
    rows: list[Metrics]
    """Some steps, for the table."""
    bad: list[Metrics]
    overflows: int
    speed: float
    """Tokens a second: the median of the steps."""
    mfu: float | None
    """Mean share of the peak over the steps that know it."""
    memory_mb: float | None
    """The most that a rank used."""
    layers: list[LayerRow]
    """Of the last reading."""
    ranks: Ranks | None
    heldout: list[Metrics]
    """Some of the steps after which the loss on what is held out was measured, for the table."""
    best: Metrics | None
    """The one of them all with the lowest such loss."""


def tell_training(rows: Sequence[Metrics], layers: Sequence[LayerRow], ranks: RankTimes | None) -> Training:
    """Return a training in numbers; `rows` are not empty."""
    good, used, heldout = trained(rows), has(rows, "mfu"), has(rows, "heldout")
    return Training(
        first=good[0],
        last=good[-1],
        rows=spread(rows, MAX_ROWS),
        bad=bad(rows),
        overflows=overflows(rows),
        speed=median(row["tokens_per_s"] for row in rows),
        mfu=sum(row["mfu"] for row in used) / len(used) if used else None,
        memory_mb=max((row["memory_mb"] for row in has(rows, "memory_mb")), default=None),
        layers=latest(layers),
        ranks=slowest(ranks) if ranks else None,
        heldout=spread(heldout, MAX_ROWS),
        best=min(heldout, key=lambda row: row["heldout"] if isfinite(row["heldout"]) else inf, default=None),
    )


def trained(rows: Sequence[Metrics]) -> list[Metrics]:
    """Return the steps whose loss is one of the curve: all but those of bad batches. All, if all were bad."""
    return [row for row in rows if row.get("left_out") in (None, "overflow")] or list(rows)


def bad(rows: Sequence[Metrics]) -> list[Metrics]:
    """Return the steps whose batch was left out for what it was."""
    return [row for row in rows if row.get("left_out") not in (None, "overflow")]


def overflows(rows: Sequence[Metrics]) -> int:
    """Return the steps that fp16's loss scale cost."""
    return sum(row.get("left_out") == "overflow" for row in rows)


def has(rows: Sequence[Metrics], field: str) -> list[Metrics]:
    """Return the rows that have a field."""
    return [row for row in rows if row.get(field) is not None]


def slowest(times: RankTimes) -> Ranks:
    """Return the ranks to show: stragglers first, then by time."""
    order = sorted(times.ranks, key=lambda rank: (-rank.slow, -rank.seconds, rank.rank))
    usual = median_low(rank.seconds for rank in times.ranks)
    return Ranks(shown=tuple(order[:MAX_RANKS]), total=len(order), usual=usual, readings=times.readings)


def grid(rows: Sequence[LayerRow], field: str) -> Grid:
    """Return one field of the layers' rows."""
    parts = tuple(dict.fromkeys(row["part"] for row in rows))
    steps = spread(list(dict.fromkeys(row["step"] for row in rows)), MAX_READINGS)
    found = {(row["part"], row["step"]): float(row[field]) for row in rows}
    cells = tuple(tuple(_finite(found.get((part, step))) for step in steps) for part in parts)
    return Grid(parts=parts, steps=tuple(steps), values=cells)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return up to so many items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]


def latest(rows: Sequence[LayerRow]) -> list[LayerRow]:
    """Return the rows of the last reading."""
    return [row for row in rows if row["step"] == rows[-1]["step"]]


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
