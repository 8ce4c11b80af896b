"""Names of checkpoints: their training step, the training they belong to, and their order on the page. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stages.formats.results import UNTRAINED

BEST = "best"
"""A copy of an earlier checkpoint: the one with the lowest held-out loss."""
AGAIN = re.compile(r"~\d+$")
"""Ending of a name that was there before."""
STEP = re.compile(r"(?:^|(?<=[^a-z]))(?:global[-_]?)?(?:steps?|iter|checkpoint)[-_]?(\d+)(?=$|\D)", re.IGNORECASE)


def training_step(checkpoint: str) -> int | None:
    """Return the step in a name such as `step-500`, `iter_0000500` or `checkpoint-500`; None without one."""
    found = STEP.findall(checkpoint)
    return int(found[-1]) if found else None


def training_of(checkpoint: str) -> str:
    """Return a name without its step: equal for the checkpoints of one training."""
    return STEP.sub("", checkpoint).strip("-_/ ")


def role_of(checkpoint: str) -> str:
    """Return the name that its training gave a checkpoint: `untrained` of `untrained~2` and of `sft/untrained`."""
    return AGAIN.sub("", checkpoint.rpartition("/")[2])


def in_order(checkpoints: Iterable[str]) -> list[str]:
    """Return names once: untrained, those with a step in its order, then `best`, then the others as they come."""
    return sorted(dict.fromkeys(checkpoints), key=_rank)


def _rank(checkpoint: str) -> tuple[int, str, int]:
    step = training_step(checkpoint)
    if step is not None:
        return 1, training_of(checkpoint), step
    return {UNTRAINED: 0, BEST: 2}.get(role_of(checkpoint), 3), "", 0


def trained(checkpoints: Iterable[str]) -> list[str]:
    """Return the checkpoints that follow one another in training, the newest last."""
    return [each for each in in_order(checkpoints) if role_of(each) not in (UNTRAINED, BEST)]
