"""Paired verdicts: two checkpoints on every task, corrected for the number of tasks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from stages.formats.results import UNTRAINED
from stages.report.parts.evaluation.checkpoints import in_order, trained
from stages.report.parts.evaluation.comparison import LEVEL, CheckpointScore, Comparison, combined, verdict_of
from stages.report.parts.evaluation.paired import compare_questions, normal, normal_interval
from stages.shared.statistics import holm

MAX_PAIRS = 60
"""Pairs of checkpoints on the page."""
Measured = tuple[Comparison, CheckpointScore]
"""A column with the score of one checkpoint in it."""


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """One checkpoint against another on one task."""

    column: Comparison
    """Of `one`."""
    against: Comparison
    """Of `other`: the same column, or the task in another chat form."""
    one: CheckpointScore
    other: CheckpointScore
    value: float
    """Score of `one` less that of `other`."""
    interval: tuple[float, float] | None
    """The 95 % interval of `value`; None if unknown."""
    p: float | None
    """Two-sided, not corrected; None if unknown."""
    won: int | None
    """Questions on which `one` is better; None for scores that are no means over the same questions."""
    lost: int | None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict after correction."""

    task: TaskVerdict
    p: float | None
    """Corrected over the tasks of the pair."""
    verdict: str
    """better, worse or unclear."""


@dataclass(frozen=True, kw_only=True)
class Duel:
    """One checkpoint against another."""

    one: str
    other: str
    tasks: tuple[Judged, ...]
    alone: tuple[Comparison, ...]
    """Columns of one of the checkpoints that the other has in no form."""

    def number(self, verdict: str) -> int:
        """Return the number of tasks with a verdict."""
        return sum(each.verdict == verdict for each in self.tasks)


def pairs(checkpoints: Iterable[str], base: str = "") -> list[tuple[str, str]]:
    """Return pairs to compare, (newer, older), at most MAX_PAIRS, the most asked for first.

    The first are all checkpoints with the base that the recipe names, from the newest on. Without one it is the newest
    and the one before it. Then come the newest and `untrained`, every checkpoint and the one before it, every
    checkpoint and `untrained`, and all others from the newest on.
    """
    names = in_order(checkpoints)
    following = trained(names)[::-1]
    steps = list(pairwise(following))
    control = [(each, UNTRAINED) for each in following] if UNTRAINED in names else []
    others = [each for each in reversed(names) if each not in following]
    chosen = [(each, base) for each in [*following, *others] if each != base] if base in names else []
    wanted = dict.fromkeys(
        [*chosen, *steps[:1], *control[:1], *steps, *control, *combinations([*following, *others], 2)]
    )
    return [pair for pair in wanted if pair[::-1] not in chosen][:MAX_PAIRS]


def duel(one: str, other: str, columns: Sequence[Comparison]) -> Duel:
    """Return the verdicts on all tasks that both checkpoints have, in order of columns.

    A task that one was asked as plain text and the other through a chat template is compared too.
    Holm's correction holds the chance of one false verdict over all tasks at LEVEL.
    """
    own = {name: [(each, row) for each in columns for row in each.rows if row.source == name] for name in (one, other)}
    matched = [(each, _counterpart(each[0], own[other])) for each in own[one]]
    found = [_judge(ours, theirs) for ours, theirs in matched if theirs is not None]
    compared = [column for each in found for column in (each.column, each.against)]
    corrected = iter(holm([each.p for each in found if each.p is not None]))
    judged = [(each, None if each.p is None else next(corrected)) for each in found]
    return Duel(
        one=one,
        other=other,
        tasks=tuple(
            Judged(task=each, p=p, verdict=verdict_of(each.value, p is not None and p < LEVEL, each.one.score))
            for each, p in judged
        ),
        alone=tuple(column for name in (one, other) for column, _ in own[name] if column not in compared),
    )


def _counterpart(column: Comparison, others: Sequence[Measured]) -> Measured | None:
    """Return the same column, else the same questions in another chat form; None without one."""
    name = (column.task, column.metric, column.plain, column.source)
    same = [each for each in others if (each[0].task, each[0].metric, each[0].plain, each[0].source) == name]
    return min(same, key=lambda each: each[0].protocol != column.protocol, default=None)


def _judge(ours: Measured, theirs: Measured) -> TaskVerdict:
    (column, one), (against, other) = ours, theirs
    paired = compare_questions(one.questions, other.questions)
    if paired is None:
        value, stderr = one.score.value - other.score.value, combined(one.score.stderr, other.score.stderr)
        interval = None if stderr is None else normal_interval(value, stderr)
        p, won, lost = None if stderr is None else normal(value, stderr), None, None
    else:
        value, interval, p = paired.value, (paired.low, paired.high), paired.p
        won, lost = (paired.higher, paired.lower) if column.higher_is_better else (paired.lower, paired.higher)
    return TaskVerdict(
        column=column, against=against, one=one, other=other, value=value, interval=interval, p=p, won=won, lost=lost
    )
