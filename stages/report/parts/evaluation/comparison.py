"""Compares the scores of every checkpoint with chance and with the untrained model. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stages.formats.benchmarks.index import FEWSHOT_SEED
from stages.formats.results import UNTRAINED, EvaluationKey, Results, Score
from stages.report.parts.evaluation.checkpoints import in_order, trained
from stages.report.parts.evaluation.paired import compare_questions

CLEAR = 2.0
"""Standard errors from which a difference of independent values is clear (about 95 % for a normal error)."""
LEVEL = 0.05
"""Of the paired test: a difference with a smaller p is clear."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A score minus another value."""

    value: float
    stderr: float | None
    """Of the difference: paired by question, else the root of the summed squares. None if either is unknown."""
    verdict: str
    """better, worse or unclear."""


@dataclass(frozen=True, kw_only=True)
class CheckpointScore:
    """One checkpoint's score."""

    source: str
    score: Score
    cut: int
    """Requests of the whole measurement whose context did not fit into the model."""
    dropped_examples: int
    """Solved examples that were left out of its prompts, to fit."""
    unfinished: int
    """Generated answers that only the longest length ended."""
    withheld: int
    """Answers that an endpoint's filter withheld."""
    against_chance: Difference | None
    against_untrained: Difference | None
    questions: Mapping[str, float]
    """Value by question; empty if unknown."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of one task, for all checkpoints."""

    task: str
    metric: str
    protocol: str
    """Shots, variant, chat form, seed and limit: `5-shot, llama, chat, first 40`."""
    plain: str
    """The protocol without its chat form: equal for the questions as plain text and through a chat template."""
    source: str
    """The protocol of the variant in a sentence; empty: the harness's own."""
    higher_is_better: bool
    samples: int
    rows: tuple[CheckpointScore, ...]


@dataclass(frozen=True)
class _Measured:
    score: Score
    result: Results
    questions: dict[str, float]
    """Value by question; empty if unknown."""


def compare(results: Sequence[Results]) -> list[Comparison]:
    """Return the comparisons in order of task, metric and protocol; the untrained checkpoint comes first in each."""
    found: dict[tuple[str, str, str, str], dict[str, _Measured]] = {}
    for result in results:
        for score in result.scores:
            name = (score.task, score.metric, protocol_of(result.key), result.protocol)
            measured = _Measured(score, result, result.questions(score.task, score.metric))
            found.setdefault(name, {})[result.key.source] = measured
    return [_comparison(*name, by_source) for name, by_source in sorted(found.items(), key=lambda pair: pair[0])]


def protocol_of(key: EvaluationKey) -> str:
    """Return how a score was measured, as far as it is not the harness's own way."""
    parts = [f"{key.num_fewshot}-shot", key.variant, key.chat]
    parts += [f"seed {key.seed}"] if key.seed != FEWSHOT_SEED else []
    parts += [f"first {key.limit}"] if key.limit is not None else []
    return ", ".join(filter(None, parts))


def _comparison(task: str, metric: str, protocol: str, source: str, by_source: dict[str, _Measured]) -> Comparison:
    measured = next(iter(by_source.values()))
    first = measured.score
    sources = in_order(by_source)
    return Comparison(
        task=task,
        metric=metric,
        protocol=protocol,
        plain=protocol_of(replace(measured.result.key, chat="")),
        source=source,
        higher_is_better=first.higher_is_better,
        samples=first.samples,
        rows=tuple(_row(source, by_source[source], by_source.get(UNTRAINED)) for source in sources),
    )


def _row(source: str, measured: _Measured, untrained: _Measured | None) -> CheckpointScore:
    is_trained = untrained is not None and source != UNTRAINED
    return CheckpointScore(
        source=source,
        score=measured.score,
        cut=measured.result.cut_requests,
        dropped_examples=measured.result.dropped_examples,
        unfinished=measured.result.unfinished,
        withheld=measured.result.withheld,
        against_chance=against_chance(measured.score),
        against_untrained=difference(measured, untrained) if untrained and is_trained else None,
        questions=measured.questions,
    )


def against_chance(score: Score) -> Difference | None:
    """Return a score minus the level of chance; clear if its interval does not hold that level."""
    if score.chance is None:
        return None
    value = score.value - score.chance
    is_clear = score.low is not None and score.high is not None and not score.low <= score.chance <= score.high
    return Difference(value=value, stderr=score.stderr, verdict=verdict_of(value, is_clear, score))


def difference(one: _Measured, other: _Measured) -> Difference:
    """Return a score minus another one: by the paired test if both have the same questions, else as if independent."""
    paired = compare_questions(one.questions, other.questions)
    if paired is not None:
        return Difference(
            value=paired.value, stderr=paired.stderr, verdict=verdict_of(paired.value, paired.p < LEVEL, one.score)
        )
    value = one.score.value - other.score.value
    stderr = combined(one.score.stderr, other.score.stderr)
    is_clear = stderr is not None and abs(value) > CLEAR * stderr
    return Difference(value=value, stderr=stderr, verdict=verdict_of(value, is_clear, one.score))


def verdict_of(value: float, is_clear: bool, score: Score) -> str:
    """Return better, worse or unclear for a difference of scores like this one."""
    better = "better" if (value > 0) == score.higher_is_better else "worse"
    return better if is_clear else "unclear"


def combined(one: float | None, other: float | None) -> float | None:
    """Return the standard error of the difference of two independent values."""
    return None if one is None or other is None else math.hypot(one, other)


def headline(comparisons: Sequence[Comparison]) -> tuple[Comparison, CheckpointScore] | None:
    """Return the score for the top of the page: the newest model's first one with a level of chance, else its first."""
    newest = trained(row.source for c in comparisons for row in c.rows)[-1:]
    found = [(c, row) for c in comparisons for row in c.rows if row.source in newest]
    with_chance = [pair for pair in found if pair[1].score.chance is not None]
    return next(iter(with_chance or found), None)
