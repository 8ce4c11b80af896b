"""The format of a training's times by rank: one JSON file, replaced at every measurement. Written by stages/train.

    {"step": 400, "readings": 20, "ranks": [{"rank": 0, "node": "n1", "seconds": 0.31, "memory_mb": 812.0, "slow": 0}]}

`seconds` is a rank's own time of a step: its waiting for data and its attention forward, which no other rank can
lengthen. It is the mean of the measurements since the last start; `readings` counts them. `slow` counts those in which
the rank was slower than the others. Two equal runs differ in this file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class RankTime:
    """A rank's own time of a step."""

    rank: int
    node: str
    """Host name."""
    seconds: float
    memory_mb: float
    """Most memory used so far."""
    slow: int
    """Measurements in which the rank was a straggler."""


@dataclass(frozen=True, kw_only=True)
class RankTimes:
    """Times of all ranks, in order of rank."""

    step: int
    """Step of the last measurement."""
    readings: int
    ranks: tuple[RankTime, ...]


def write_ranks(path: Path, times: RankTimes) -> None:
    """Write the times, replacing the file."""
    write_json(path, asdict(times))


def read_ranks(path: Path) -> RankTimes:
    """Return the times. Raises DataError, naming the file, if it is not of this format."""
    try:
        value: dict[str, Any] = read_json(path)
        ranks = tuple(RankTime(**rank) for rank in value.pop("ranks"))
        return RankTimes(**value, ranks=ranks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not times by rank ({error!r})", "Move the file away") from error
