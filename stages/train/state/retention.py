"""Which checkpoints of a run are kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from stages.train.config import TrainingConfig


def outdated(steps: Iterable[int], config: TrainingConfig, best: int | None) -> list[int]:
    """Return the steps whose checkpoints are not kept, in order, of all that there are.

    Kept are the newest checkpoint_keep, multiples of checkpoint_keep_every, the best, and the newest that the guard may
    go back to.
    """
    found = sorted(steps)
    for_good = _multiples(found, config.checkpoint_keep_every)
    kept = {*found[-config.checkpoint_keep :], *for_good, best, *_multiples(found, config.rollback_every)[-1:]}
    return [step for step in found if step not in kept]


def _multiples(steps: list[int], of: int | None) -> list[int]:
    return [step for step in steps if of is not None and step % of == 0]
