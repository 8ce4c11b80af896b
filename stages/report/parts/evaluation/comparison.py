"""Compares the scores of every checkpoint with chance and with the untrained model. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.formats.results import UNTRAINED, Results, Score

CLEAR = 2.0
"""Standard errors from which a difference is clear (about 95 % for a normal error)."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A score minus another value."""

    value: float
    stderr: float | None
    """Of the difference: the root of the summed squares, for independent values. None if either is unknown."""
    verdict: str
    """better, worse, or unclear: less than CLEAR standard errors apart, or of unknown error."""


@dataclass(frozen=True, kw_only=True)
class CheckpointScore:
    """One checkpoint's score."""

    source: str
    score: Score
    against_chance: Difference | None
    against_untrained: Difference | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of one task, for all checkpoints."""

    task: str
    metric: str
    num_fewshot: int
    higher_is_better: bool
    samples: int
    rows: tuple[CheckpointScore, ...]


def compare(results: Sequence[Results]) -> list[Comparison]:
    """Return the comparisons in order of task and metric; the untrained checkpoint comes first in each."""
    found: dict[tuple[str, str, int], dict[str, Score]] = {}
    for result in results:
        for score in result.scores:
            by_source = found.setdefault((score.task, score.metric, result.key.num_fewshot), {})
            by_source[result.key.source] = score
    return [_comparison(*key, by_source) for key, by_source in sorted(found.items())]


def _comparison(task: str, metric: str, num_fewshot: int, by_source: dict[str, Score]) -> Comparison:
    first = next(iter(by_source.values()))
    sources = sorted(by_source, key=lambda source: source != UNTRAINED)
    return Comparison(
        task=task,
        metric=metric,
        num_fewshot=num_fewshot,
        higher_is_better=first.higher_is_better,
        samples=first.samples,
        rows=tuple(_row(source, by_source[source], by_source.get(UNTRAINED)) for source in sources),
    )


def _row(source: str, score: Score, untrained: Score | None) -> CheckpointScore:
    against_untrained = None
    if untrained is not None and source != UNTRAINED:
        against_untrained = difference(score, untrained.value, combined(score.stderr, untrained.stderr))
    against_chance = None if score.chance is None else difference(score, score.chance, score.stderr)
    return CheckpointScore(
        source=source, score=score, against_chance=against_chance, against_untrained=against_untrained
    )


def combined(one: float | None, other: float | None) -> float | None:
    """Return the standard error of the difference of two independent values."""
    return None if one is None or other is None else math.hypot(one, other)


def difference(score: Score, other: float, stderr: float | None) -> Difference:
    """Return the score minus the other value, with a verdict."""
    value = score.value - other
    is_clear = stderr is not None and abs(value) > CLEAR * stderr
    better = "better" if (value > 0) == score.higher_is_better else "worse"
    return Difference(value=value, stderr=stderr, verdict=better if is_clear else "unclear")


def headline(comparisons: Sequence[Comparison]) -> tuple[Comparison, CheckpointScore] | None:
    """Return the score for the top of the page: a trained model's first one with a level of chance, else its first."""
    trained = [(c, row) for c in comparisons for row in c.rows if row.source != UNTRAINED]
    with_chance = [pair for pair in trained if pair[1].score.chance is not None]
    return next(iter(with_chance or trained), None)
