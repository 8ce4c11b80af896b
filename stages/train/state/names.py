"""Names of the folders that hold checkpoints. Light: a stage's plan lists them."""

from __future__ import annotations

from pathlib import Path

CHECKPOINTS = "checkpoints"
"""Folder of a run's own checkpoints in its work folder."""
STEP = "step-"
"""Start of the name of a checkpoint with everything that training continues from; its step follows."""
FINAL = "final"
"""The trained weights."""
AVERAGE = "average"
"""The average of the trained weights, where a training keeps one."""
UNTRAINED = "untrained"
"""The weights that training started from, for comparison."""
BEST = "best"
"""The weights with the lowest held-out loss."""


def step_name(step: int) -> str:
    """Return the name of the checkpoint after a step."""
    return f"{STEP}{step:07d}"


def step_of(folder: Path) -> int:
    """Return the step of a checkpoint."""
    return int(folder.name.removeprefix(STEP))


def holds_state(folder: Path) -> bool:
    """Return whether a checkpoint's name says that training can continue from it."""
    return folder.name.startswith(STEP) and folder.name.removeprefix(STEP).isdigit()
