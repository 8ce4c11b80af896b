"""The alarm of nightly evaluation: which tasks have become worse, checkpoint by checkpoint. Pure.

The rule, with the checkpoints in the order of training: the mean of the newest two against the mean of the three before
them, item by item, one-sided, against the hypothesis that a task has lost at most `tolerance`. Holm's correction covers
the tasks and their mean. A loss that the newest one alone shows, against the three before it, is the first night's
`watch`.

Simpler rules fail in simulations of 16 tasks (tests/stages/evaluate/test_alarm.py). A test against the best checkpoint
so far raises a false alarm on a third of all nights, since the best one is the luckiest. A test without tolerance takes
the wobble of every training for a loss. Unpaired standard errors see one loss of three points in ten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.formats.alarms import MEAN, Drop, Night, State
from stages.shared.statistics import holm

REFERENCE, NEWEST = 3, 2
"""Checkpoints of the reference, and those that are tested against it."""
Items = Mapping[str, float]
"""The score of each item, from 0 to 1, by the item's name."""
Scores = NDArray[np.float64]
"""Scores of one task, [checkpoints, items]."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a loss is an alarm."""

    tolerance: float = 0.005
    """Loss of a task's score that is no loss: two checkpoints of a healthy training differ by about as much."""
    level: float = 0.05
    """Probability of an alarm on a night without a loss, over all tasks together (Holm 1979)."""


def nights(checkpoints: Sequence[str], scores: Mapping[str, Scores], rule: Rule) -> list[Night]:
    """Return what each checkpoint shows, in order, from each task's scores: see `align`.

    A task counts if it has two items.
    """
    tested = {task: matrix for task, matrix in scores.items() if matrix.shape[1] > 1}
    found: list[Night] = []
    frozen: list[int] | None = None
    for newest in range(len(checkpoints)):
        state, drops, reference = _night(tested, newest, frozen, rule)
        frozen = reference if state == "alarm" else None
        names = tuple(checkpoints[number] for number in reference)
        found.append(Night(checkpoint=checkpoints[newest], state=state, drops=drops, reference=names))
    return found


def _night(
    scores: Mapping[str, Scores], newest: int, frozen: list[int] | None, rule: Rule
) -> tuple[State, tuple[Drop, ...], list[int]]:
    before_two = frozen if frozen is not None else [*range(newest - REFERENCE - NEWEST + 1, newest - NEWEST + 1)]
    if before_two[0] >= 0 and (drops := _drops(scores, before_two, [newest - 1, newest], rule)):
        return "alarm", drops, before_two
    before_one = [*range(newest - REFERENCE, newest)]
    if before_one[0] < 0:
        return "early", (), []
    drops = _drops(scores, before_one, [newest], rule)
    return ("watch" if drops else "calm"), drops, before_one


def align(checkpoints: Sequence[str], found: Mapping[str, Items]) -> Scores:
    """Return the scores [checkpoints, items] of the items that every checkpoint has.

    Raises ValueError, naming the checkpoints without results.
    """
    if lacking := [checkpoint for checkpoint in checkpoints if checkpoint not in found]:
        raise ValueError(f"no results of {', '.join(lacking)}")
    names = (
        sorted(set[str].intersection(*(set(found[checkpoint]) for checkpoint in checkpoints))) if checkpoints else []
    )
    return np.array([[found[checkpoint][name] for name in names] for checkpoint in checkpoints], dtype=np.float64)


def _drops(scores: Mapping[str, Scores], reference: list[int], tested: list[int], rule: Rule) -> tuple[Drop, ...]:
    """Return the significant losses after Holm's correction, the surest first."""
    losses = {task: _paired(matrix[reference].mean(0) - matrix[tested].mean(0)) for task, matrix in scores.items()}
    if len(losses) > 1:
        together = math.hypot(*(stderr for _, stderr in losses.values())) / len(losses)
        losses[MEAN] = (sum(loss for loss, _ in losses.values()) / len(losses), together)
    drops = sorted(
        (
            Drop(task=task, loss=loss, stderr=stderr, p=_p_value(loss - rule.tolerance, stderr))
            for task, (loss, stderr) in losses.items()
        ),
        key=lambda drop: (drop.p, drop.task),
    )
    corrected = holm([drop.p for drop in drops])
    return tuple(drop for drop, p in zip(drops, corrected, strict=True) if p <= rule.level)


def _paired(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of the items' differences and its standard error."""
    return float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(differences.size)


def _p_value(excess: float, stderr: float) -> float:
    """Return the one-sided p value of a normal deviate."""
    if stderr == 0.0:
        return 0.0 if excess > 0 else 1.0
    return 0.5 * math.erfc(excess / stderr / math.sqrt(2))


def flipped(items: Mapping[str, Items], reference: Sequence[str], newest: str) -> list[str]:
    """Return the items that every checkpoint of the reference had more right than the newest one, the worst first."""
    shared = set[str].intersection(*(set(items[checkpoint]) for checkpoint in (*reference, newest)))
    losses = {name: min(items[checkpoint][name] for checkpoint in reference) - items[newest][name] for name in shared}
    return sorted((name for name, loss in losses.items() if loss > 0), key=lambda name: (-losses[name], name))
