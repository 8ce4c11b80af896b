"""The readings format: what a training took from each source of tokens. Written by stages/train, read by reports.

[{"source": "wiki", "tokens": 25700000000, "share": 0.045, "epochs": 2.45}, ...]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.files import read_json, write_json


@dataclass(frozen=True)
class Reading:
    """What a training takes from one source."""

    source: str
    tokens: float
    """In the source; an estimate in a plan."""
    share: float
    """Of the training's sequences."""
    epochs: float
    """Times that it is read, on average."""

    def __str__(self) -> str:
        return f"{self.source} {self.share:.1%}, read {self.epochs:,.{2 if self.epochs < 10 else 0}f} times"


def write_readings(path: Path, found: Iterable[Reading]) -> None:
    """Write them, in order."""
    write_json(path, [asdict(reading) for reading in found])


def read_readings(path: Path) -> list[Reading]:
    """Return them, in order."""
    return [Reading(**fields) for fields in read_json(path)]
