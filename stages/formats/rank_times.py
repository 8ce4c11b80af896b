"""The format of a training's times by rank: one JSON file, replaced at every reading. Written by stages/train.

    {"step": 400, "readings": 20, "ranks": [{"rank": 0, "node": "n1", "seconds": 0.31, "memory_mb": 812.0, "slow": 0}]}

`seconds` are a rank's own of a step, the mean of the readings since the run was last started: the time that it waits
for data and computes attention forward, which no other rank can hold up. `slow` counts the readings in which it was
slower than the others. Two equal runs differ in this file.
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
    """Its host name."""
    seconds: float
    memory_mb: float
    """The most memory it has used."""
    slow: int
    """Readings in which it was a straggler."""


@dataclass(frozen=True, kw_only=True)
class RankTimes:
    """Those of all ranks, in order."""

    step: int
    """Of the last reading."""
    readings: int
    ranks: tuple[RankTime, ...]


def write_ranks(path: Path, times: RankTimes) -> None:
    """Write the file."""
    write_json(path, asdict(times))


def read_ranks(path: Path) -> RankTimes:
    """Return what was written. Raises DataError, naming the file, if it is not of this format."""
    try:
        value: dict[str, Any] = read_json(path)
        ranks = tuple(RankTime(**rank) for rank in value.pop("ranks"))
        return RankTimes(**value, ranks=ranks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no times by rank ({error!r})", "Move it away") from error
