"""Retention: which of its checkpoints a run keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from stages.train.config import TrainingConfig


def outdated(steps: Iterable[int], config: TrainingConfig, best: int | None) -> list[int]:
    """Return the steps whose checkpoints are not kept, in order, of all that there are.

    Kept are the newest checkpoint_keep, the best, and the newest that the guard may go back to.
    """
    found = sorted(steps)
    kept = {*found[-config.checkpoint_keep :], best, *_multiples(found, config.rollback_every)[-1:]}
    return [step for step in found if step not in kept]


def _multiples(steps: list[int], of: int | None) -> list[int]:
    return [step for step in steps if of is not None and step % of == 0]
