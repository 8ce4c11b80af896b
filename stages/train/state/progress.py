"""Position of a training: all that a step depends on and that is no tensor. The loop owns it; checkpoints store it."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from stages.shared.errors import DataError
from stages.train.stability.guard import GuardState


class Best(BaseModel):
    """The step after which the held-out loss was lowest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=1)
    loss: float
    """In nats a token."""


class Progress(BaseModel):
    """A position in a training. A part of it that holds more than a number is a closed model of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(default=0, ge=0)
    """Steps done."""
    tokens: int = Field(default=0, ge=0)
    """Tokens trained on."""
    feed: dict[str, JsonValue] = {}
    """State of the feed (stages/train/data/feed.py)."""
    guard: GuardState = GuardState()
    """State of the guard against bad batches."""
    best: Best | None = None
    """The best of the steps that were measured; None: none was measured."""

    def measured(self, loss: float | None) -> Progress:
        """Return the position with the held-out loss after its step; None: it was not measured."""
        if loss is None or not isfinite(loss) or (self.best is not None and self.best.loss <= loss):
            return self
        return self.model_copy(update={"best": Best(step=self.step, loss=loss)})


def read_progress(state: dict[str, Any], folder: Path) -> Progress:
    """Return the position in a checkpoint's state.json. Raises DataError if a part of it is missing or wrong."""
    try:
        return Progress(**{name: state[name] for name in Progress.model_fields})
    except (KeyError, ValidationError) as error:
        raise DataError(folder, f"state.json lacks or misstates {error}", "Train it again") from error
