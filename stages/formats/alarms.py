"""The format of alarms: JSON, a verdict on each checkpoint. Written by `evaluate`, read by the launcher."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from stages.shared.errors import DataError
from stages.shared.files import write_json

MEAN = "mean of all tasks"
"""Name of the hypothesis that all tasks together have lost."""
State = Literal["early", "calm", "watch", "alarm"]


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A task that has become worse."""

    task: str
    """Name of the task, or MEAN."""
    loss: float
    """Mean score of the reference less that of the checkpoints tested."""
    stderr: float
    """Standard error of `loss`, of paired items."""
    p: float
    """Of this loss or a larger one if the true loss is the tolerance; not corrected."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """What one more checkpoint shows."""

    checkpoint: str
    state: State
    """`early` before there are enough checkpoints to compare with."""
    drops: tuple[Drop, ...]
    """The significant ones, the surest first."""
    reference: tuple[str, ...]
    """Checkpoints compared with: those of the night on which a standing alarm was raised, as long as it stands."""


@dataclass(frozen=True, kw_only=True)
class AlarmReport:
    """The nights of a series of checkpoints, in the order of training."""

    nights: tuple[Night, ...]
    flipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By task that the last night names: samples that every checkpoint of the reference had more right."""

    @property
    def last(self) -> Night | None:
        """The newest night."""
        return self.nights[-1] if self.nights else None


def write_alarm(path: Path, report: AlarmReport) -> None:
    """Write a report, atomically."""
    write_json(path, asdict(report))


def read_alarm(path: Path) -> AlarmReport:
    """Return a report. Raises DataError for a file that holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        nights = tuple(_night(each) for each in value["nights"])
        return AlarmReport(nights=nights, flipped={task: tuple(names) for task, names in value["flipped"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not an alarm report ({error!r})", "Run its step again") from error


def _night(value: Mapping[str, object]) -> Night:
    drops, reference = value["drops"], value["reference"]
    if not isinstance(drops, Sequence) or not isinstance(reference, Sequence):
        raise TypeError("drops and reference must be lists")
    fields = {**value, "drops": tuple(Drop(**drop) for drop in drops), "reference": tuple(reference)}
    return Night(**fields)  # type: ignore[arg-type]  # checked by its writer
