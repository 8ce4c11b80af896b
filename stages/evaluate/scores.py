"""Turns lm-eval's results and samples into scores with a standard error and a level of chance. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.formats.results import Score

BITS = "bits_per_byte"


def collect_scores(results: Mapping[str, Any], chances: Mapping[str, float]) -> tuple[Score, ...]:
    """Return every score of an lm-eval result with samples; tasks and metrics in order of name.

    `chances` holds the accuracy of guessing by task; see `chance`.
    """
    return tuple(
        score for task in sorted(results["results"]) for score in _task_scores(task, results, chances.get(task))
    )


def _task_scores(task: str, results: Mapping[str, Any], guessing: float | None) -> Iterator[Score]:
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
        yield Score(
            task=task,
            metric=metric if filter_name == "none" else f"{metric} ({filter_name})",
            value=float(values[name]),
            stderr=stderr if stderr is None else float(stderr),
            samples=int(results["n-samples"].get(task, {}).get("effective", values.get("sample_len", 0))),
            chance=guessing if metric.startswith("acc") else None,
            higher_is_better=bool(better.get(metric, True)),
        )


def _ratio_stderr(metric: str, value: float, pairs: Sequence[Any]) -> float | None:
    """Return the standard error of a perplexity or of bits per byte; a pair is (log likelihood, units) of a document.

    lm-eval computes none for these. The rate r = sum(-l) / sum(u) is a ratio of sums over documents. Its variance is
    n / (n - 1) * sum((-l - r u)^2) / sum(u)^2 (Cochran, Sampling Techniques, 1977, section 6.3). The delta method
    carries it through exp or the change of unit.
    """
    if len(pairs) < 2 or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        return None
    units = sum(unit for _, unit in pairs)
    rate = sum(-logprob for logprob, _ in pairs) / units
    squares = sum((-logprob - rate * unit) ** 2 for logprob, unit in pairs)
    stderr: float = math.sqrt(len(pairs) / (len(pairs) - 1) * squares) / units
    return stderr / math.log(2) if metric == BITS else stderr * value


def chance(numbers_of_choices: Sequence[int]) -> float | None:
    """Return the expected accuracy of guessing, from the number of choices of each question; None without questions."""
    return sum(1 / number for number in numbers_of_choices) / len(numbers_of_choices) if numbers_of_choices else None
