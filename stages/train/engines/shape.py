"""The model that an engine trains, apart from the settings of the training."""

from __future__ import annotations

from dataclasses import dataclass

from stages.train.objectives.base import Role


@dataclass(frozen=True)
class EngineShape:
    """One model of a training."""

    role: Role
    vocab_size: int
    """Pieces of the tokenizer."""
    rows: int = 1
    """Rows of the model's batch that a sample takes."""
