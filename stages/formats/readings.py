"""The readings format: tokens that a training read from each source. Written by stages/train, read by the report.

[{"source": "wiki", "tokens": 25700000000, "share": 0.045, "epochs": 2.45, "asked": 0.045, "drawn": 30762}, ...]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.files import read_json, write_json


@dataclass(frozen=True)
class Reading:
    """Tokens that a training reads from one source."""

    source: str
    tokens: float
    """Tokens in the source; an estimate in a plan."""
    share: float
    """Share of the training's sequences."""
    epochs: float
    """Times that the training reads the source, on average."""
    asked: float | None = None
    """Share that the mixture asks for, before limits of epochs; None: `share`."""
    drawn: int | None = None
    """Sequences that the training took from the source; None: not counted."""

    def __str__(self) -> str:
        return f"{self.source} {self.share:.1%}, read {self.epochs:,.{2 if self.epochs < 10 else 0}f} times"


def write_readings(path: Path, found: Iterable[Reading]) -> None:
    """Write the readings, in order; what is None is left out."""
    rows = (asdict(reading) for reading in found)
    write_json(path, [{name: value for name, value in row.items() if value is not None} for row in rows])


def read_readings(path: Path) -> list[Reading]:
    """Return the readings, in order."""
    return [Reading(**fields) for fields in read_json(path)]
