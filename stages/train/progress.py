"""How far a training is: what a step depends on and is no tensor. The loop owns it, checkpoints store and return it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.shared.errors import DataError
from stages.train.guard import GuardState


class Progress(BaseModel):
    """A position in a training. A part of it that holds more than a number is a closed model of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(default=0, ge=0)
    """Steps done."""
    sequences: int = Field(default=0, ge=0)
    """Taken from the dataset, which is the data's whole position."""
    guard: GuardState = GuardState()
    """What the guard against bad batches remembers."""


def read_progress(state: dict[str, Any], folder: Path) -> Progress:
    """Return what a checkpoint's state.json holds of it. Raises DataError if that is not all of it."""
    try:
        return Progress(**{name: state[name] for name in Progress.model_fields})
    except (KeyError, ValidationError) as error:
        raise DataError(folder, f"state.json lacks or misstates {error}", "Train it again") from error
