"""Turns lm-eval's results and samples into scores with an interval and a level of chance. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.formats.results import Outcomes, Score, metric_name
from stages.shared.contract import unique_keys
from stages.shared.statistics import Z, wilson

BITS = "bits_per_byte"
PRECISION, RECALL, F1 = "precision", "recall", "f1"
SHARES = (PRECISION, RECALL, F1)
"""Metrics that are ratios of sums over questions: what counts, over what could count."""
HASH_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of tasks whose scores are combined."""

    tasks: tuple[str, ...]
    """Its tasks, those of groups in it too."""
    by_size: Mapping[str, bool]
    """By metric: whether each question counts the same, not each task."""


def collect_scores(
    results: Mapping[str, Any], chances: Mapping[str, float], groups: Mapping[str, Group]
) -> tuple[Score, ...]:
    """Return every score of an lm-eval result with samples; tasks and metrics in order of name.

    `chances` holds the accuracy of guessing by task; see `chance`.
    """
    outcomes = collect_outcomes(results)
    return tuple(
        score
        for task in sorted(results["results"])
        for score in _task_scores(task, results, outcomes, groups.get(task), chances)
    )


def collect_outcomes(results: Mapping[str, Any]) -> dict[str, Outcomes]:
    """Return the value of each question by task and metric, where a score is their mean."""
    found = {}
    for task, samples in results["samples"].items():
        by_filter: dict[str, list[Mapping[str, Any]]] = {}
        for sample in samples:
            by_filter.setdefault(sample["filter"], []).append(sample)
        values = {
            metric_name(metric, name): tuple(each[metric] for each in some)
            for name, some in by_filter.items()
            for metric in some[0]["metrics"]
            if all(isinstance(each.get(metric), (int, float)) for each in some)
        }
        first = next(iter(by_filter.values()))
        items = unique_keys(str(sample["doc_hash"])[:HASH_CHARS] for sample in first)
        found[task] = Outcomes(items=tuple(items), values=values)
    return found


def _task_scores(
    task: str,
    results: Mapping[str, Any],
    outcomes: Mapping[str, Outcomes],
    group: Group | None,
    chances: Mapping[str, float],
) -> Iterator[Score]:
    values = results["results"][task]
    better = results["higher_is_better"].get(task, {})
    samples = results["samples"].get(task, [])
    for name in sorted(values):
        metric, _, filter_name = name.partition(",")
        if not filter_name or metric.endswith("_stderr") or not isinstance(values[name], (int, float)):
            continue
        stderr = values.get(f"{metric}_stderr,{filter_name}")
        if not isinstance(stderr, (int, float)) or not math.isfinite(stderr):
            stderr = _ratio_stderr(metric, values[name], [s.get(metric) for s in samples if s["filter"] == filter_name])
        by_size = group is None or group.by_size.get(metric, False)
        tasks = (task,) if group is None else group.tasks
        each = _values(tasks, metric_name(metric, filter_name), outcomes) if by_size else ()
        low, high = interval(float(values[name]), stderr, each)
        yield Score(
            task=task,
            metric=metric_name(metric, filter_name),
            value=float(values[name]),
            stderr=stderr if stderr is None else float(stderr),
            low=low,
            high=high,
            samples=int(results["n-samples"].get(task, {}).get("effective", values.get("sample_len", 0))),
            chance=_chance(tasks, chances, outcomes, by_size) if metric.startswith("acc") else None,
            higher_is_better=bool(better.get(metric, True)),
        )


def _values(tasks: Sequence[str], metric: str, outcomes: Mapping[str, Outcomes]) -> tuple[float, ...]:
    """Return the values of all questions of tasks; none if one of the tasks has none of this metric."""
    each = [outcomes[task].values.get(metric, ()) if task in outcomes else () for task in tasks]
    return tuple(value for some in each for value in some) if all(each) else ()


def _chance(
    tasks: Sequence[str], chances: Mapping[str, float], outcomes: Mapping[str, Outcomes], by_size: bool
) -> float | None:
    """Return the level of chance of tasks together, weighted as their scores are; None if one of them has none."""
    if not tasks or any(task not in chances for task in tasks):
        return None
    sizes = [len(outcomes[task].items) if by_size else 1 for task in tasks]
    return sum(chances[task] * size for task, size in zip(tasks, sizes, strict=True)) / sum(sizes)


def interval(value: float, stderr: float | None, outcomes: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a score: Wilson's for a share of questions, else the normal one; None if unknown.

    Wilson's holds for a share of 0 or 1, whose standard error is 0.
    """
    shares = bool(outcomes) and all(0.0 <= each <= 1.0 for each in outcomes)
    if shares and (not stderr or all(each in (0, 1) for each in outcomes)):
        return wilson(value, len(outcomes))
    if stderr is None:
        return None, None
    low, high = value - Z * stderr, value + Z * stderr
    return (max(0.0, low), min(1.0, high)) if shares else (low, high)


def pass_at(texts: int, right: int, k: int) -> float:
    """Return the chance that one of `k` texts, drawn from `texts` with `right` right ones, is right.

    Source: Chen et al., Evaluating Large Language Models Trained on Code, 2021, equation 1.
    """
    return 1.0 - math.comb(texts - right, k) / math.comb(texts, k)


def _ratio_stderr(metric: str, value: float, pairs: Sequence[Any]) -> float | None:
    """Return the standard error of a ratio of sums over documents or questions.

    A pair is (log likelihood, units) of a document for a perplexity or bits per byte, and (part, whole) of a question
    for one of SHARES.

    lm-eval computes none for these. The rate r = sum(-l) / sum(u) is a ratio of sums over documents. Its variance is
    n / (n - 1) * sum((-l - r u)^2) / sum(u)^2 (Cochran, Sampling Techniques, 1977, section 6.3). The delta method
    carries it through exp or the change of unit.
    """
    if len(pairs) < 2 or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        return None
    units = sum(unit for _, unit in pairs)
    if not units:
        return None
    sign = 1 if metric in SHARES else -1
    rate = sum(sign * part for part, _ in pairs) / units
    squares = sum((sign * part - rate * unit) ** 2 for part, unit in pairs)
    stderr: float = math.sqrt(len(pairs) / (len(pairs) - 1) * squares) / units
    if metric in SHARES:
        return stderr
    return stderr / math.log(2) if metric == BITS else stderr * value


def chance(numbers_of_choices: Sequence[int]) -> float | None:
    """Return the expected accuracy of guessing, from the number of choices of each question; None without questions."""
    return sum(1 / number for number in numbers_of_choices) / len(numbers_of_choices) if numbers_of_choices else None
