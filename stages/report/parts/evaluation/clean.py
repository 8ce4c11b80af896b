"""Scores without the questions that were found in documents, beside the full ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from stages.formats.corpus.contamination import Contamination
from stages.formats.results import Results, Score, main_metric_order
from stages.report.parts.evaluation.comparison import protocol_of
from stages.shared.statistics import Z, wilson


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The mean over some questions of a task."""

    value: float
    low: float
    high: float
    """The 95 % interval of `value`."""
    questions: int


@dataclass(frozen=True, kw_only=True)
class CleanScore:
    """A score of a checkpoint on all questions, on those that were found nowhere, and on the others."""

    checkpoint: str
    protocol: str
    full: Score
    clean: Subset | None
    """None: all questions were found."""
    found: Subset | None
    documents: Mapping[str, int]
    """Documents by the name of each question found."""


def found_questions(sums: Iterable[Contamination]) -> dict[str, int]:
    """Return documents by `task/question`, as Results.questions names it."""
    found: dict[str, int] = {}
    for each in sums:
        for name, task in each.tasks.items():
            for item, documents in task.found.items():
                found[f"{name}/{item}"] = found.get(f"{name}/{item}", 0) + documents
    return found


def clean_scores(results: Sequence[Results], found: Mapping[str, int]) -> list[CleanScore]:
    """Return the main score of each task that has questions among those found, by task and checkpoint."""
    rows = [row for each in results for row in _rows(each, found)]
    return sorted(rows, key=lambda row: (row.full.task, row.protocol))


def _rows(results: Results, found: Mapping[str, int]) -> Iterable[CleanScore]:
    key = results.key
    for task in dict.fromkeys(score.task for score in results.scores):
        scores = [score for score in results.scores if score.task == task]
        main = min(scores, key=lambda score: main_metric_order(task, key.variant, score.metric))
        values = results.questions(task, main.metric)
        documents = {name: found[name] for name in values if name in found}
        if documents:
            yield CleanScore(
                checkpoint=key.source,
                protocol=protocol_of(key),
                full=main,
                clean=_subset([value for name, value in values.items() if name not in found]),
                found=_subset([values[name] for name in documents]),
                documents=documents,
            )


def _subset(values: Sequence[float]) -> Subset | None:
    """Return the mean with Wilson's interval for right or wrong, else the normal one; None without values."""
    if not values:
        return None
    mean, number = fmean(values), len(values)
    if all(value in (0, 1) for value in values):
        low, high = wilson(mean, number)
    else:
        half = Z * stdev(values) / math.sqrt(number) if number > 1 else math.inf
        low, high = mean - half, mean + half
    return Subset(value=mean, low=low, high=high, questions=number)
