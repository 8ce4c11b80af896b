"""Win rates of policies from verdicts: with intervals, by rubric and source, and at equal lengths. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.judgements import VALUES, Outcome, Verdict, WinRate

Key = TypeVar("Key", bound=Hashable)
Z = 1.96
"""Standard errors on each side of a 95 % interval."""
RIDGE = 0.01
"""Weight of the squared coefficients of `length_controlled`: keeps those of verdicts without an exception finite."""


def win_rates(verdicts: Iterable[Verdict]) -> list[WinRate]:
    """Return the rates of each policy, then of each control: all in all, by rubric and by source.

    A single rubric or source has no rate of its own.
    """
    found = []
    for (control, policy), judged in grouped(verdicts, lambda each: (each.control, each.policy)).items():
        wholes = combined(judged)
        rates = [win_rate(wholes)]
        by_rubric = grouped(judged, lambda each: each.rubric)
        by_source = grouped(wholes, lambda each: each.source)
        rates += [win_rate(own, rubric=rubric) for rubric, own in by_rubric.items() if len(by_rubric) > 1]
        rates += [win_rate(own, source=source) for source, own in by_source.items() if len(by_source) > 1]
        found += [replace(rate, policy=policy, control=control) for rate in rates]
    return sorted(found, key=lambda each: each.control != "")


def grouped(verdicts: Iterable[Verdict], key: Callable[[Verdict], Key]) -> dict[Key, list[Verdict]]:
    """Return the verdicts by a key, in order of appearance."""
    found: dict[Key, list[Verdict]] = defaultdict(list)
    for each in verdicts:
        found[key(each)].append(each)
    return found


def combined(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return one verdict on each pair of answers by each judge: the majority of its rubrics. Unparsed have no vote."""
    pairs = grouped(verdicts, _pair)
    return [_combined(own) for own in pairs.values()]


def _pair(verdict: Verdict) -> Hashable:
    return verdict.prompt, verdict.sample, verdict.policy, verdict.control, verdict.answers, verdict.judge


def _combined(verdicts: Sequence[Verdict]) -> Verdict:
    values = [each.value for each in verdicts if each.value is not None]
    scores = [each.scores for each in verdicts if each.scores is not None]
    means = (_mean(one for one, _ in scores), _mean(other for _, other in scores)) if scores else None
    readings = tuple(reading for each in verdicts for reading in each.readings)
    return replace(verdicts[0], rubric="", outcome=outcome_of(values), scores=means, readings=readings)


def outcome_of(values: Sequence[float]) -> Outcome:
    """Return the outcome that most of some outcomes' values are for."""
    if not values:
        return "unparsed"
    mean = _mean(values)
    return "win" if mean > VALUES["tie"] else "loss" if mean < VALUES["tie"] else "tie"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def win_rate(verdicts: Sequence[Verdict], rubric: str = "", source: str = "") -> WinRate:
    """Return the rate of verdicts, one a pair. Several samples or judges of one prompt count as one prompt."""
    parsed = [(each, each.value) for each in verdicts if each.value is not None]
    by_prompt: dict[Hashable, list[float]] = defaultdict(list)
    for each, value in parsed:
        by_prompt[each.prompt].append(value)
    means = [_mean(values) for values in by_prompt.values()]
    low, high = interval(means) if means else (None, None)
    decided = [each for each in verdicts if _is_decided(each)]
    scores = [each.scores for each in verdicts if each.scores is not None]
    return WinRate(
        policy="",
        rubric=rubric,
        source=source,
        control="",
        prompts=len(means),
        wins=sum(each.outcome == "win" for each in verdicts),
        ties=sum(each.outcome == "tie" for each in verdicts),
        losses=sum(each.outcome == "loss" for each in verdicts),
        unparsed=len(verdicts) - len(parsed),
        rate=_mean(means) if means else None,
        low=low,
        high=high,
        length_controlled=length_controlled(parsed),
        longer=_mean(map(_longer_won, decided)) if decided else None,
        first=sum(map(_flips("first"), verdicts)),
        second=sum(map(_flips("second"), verdicts)),
        scores=(_mean(one for one, _ in scores), _mean(other for _, other in scores)) if scores else None,
    )


def _is_decided(verdict: Verdict) -> bool:
    """Return whether one of two answers of different lengths won."""
    return verdict.outcome in ("win", "loss") and length_difference(verdict) != 0


def _longer_won(verdict: Verdict) -> float:
    return float((verdict.outcome == "win") == (length_difference(verdict) > 0))


def _flips(place: str) -> Callable[[Verdict], int]:
    """Return what counts the rubrics by which a place won in both orders."""

    def count(verdict: Verdict) -> int:
        readings = verdict.readings
        return sum(pair == (place, place) for pair in zip(readings[::2], readings[1::2], strict=False))

    return count


def length_difference(verdict: Verdict) -> int:
    """Return the characters that the policy's answer has more than the other one."""
    one, other = verdict.answers
    return len(one) - len(other)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values from 0 to 1.

    Agresti and Min's of paired outcomes (Stat. Med. 24, 2005, 729), which adds half a win, half a loss and a tie.
    Values between outcomes, of prompts with several samples, keep their own variance.
    """
    differences = [2 * value - 1 for value in values]
    number = len(values) + 2
    mean = math.fsum(differences) / number
    square = (math.fsum(each**2 for each in differences) + 1) / number
    half = Z * math.sqrt(max(0.0, square - mean**2) / number)
    return max(0.0, (1 + mean - half) / 2), min(1.0, (1 + mean + half) / 2)


def length_controlled(parsed: Sequence[tuple[Verdict, float]]) -> float | None:
    """Return the win rate at equal lengths: that of a logistic regression on the difference of the lengths.

    The term is that of arXiv:2404.04475, section 3: tanh of the difference, here over its root mean square. Terms of
    single prompts are left out. Without differences it is the win rate itself, up to RIDGE. Six digits.
    """
    if not parsed:
        return None
    values_N = np.array([value for _, value in parsed])
    lengths_N = np.array([length_difference(each) for each, _ in parsed], np.float64)
    deviation = math.sqrt(float((lengths_N**2).mean())) or 1.0
    terms_N2 = np.stack([np.ones(len(parsed)), np.tanh(lengths_N / deviation)], axis=1)
    theta, _ = _fitted(terms_N2, values_N)
    return round(1 / (1 + math.exp(-theta)), 6)


def _fitted(terms_N2: NDArray[np.float64], values_N: NDArray[np.float64]) -> tuple[float, float]:
    """Return the coefficients of a logistic regression with a ridge, by Newton's method with halved steps."""
    found_2 = np.zeros(2)
    loss = _loss(found_2, terms_N2, values_N)
    for _ in range(100):
        rates_N = 1 / (1 + np.exp(-terms_N2 @ found_2))
        slope_2 = terms_N2.T @ (rates_N - values_N) + RIDGE * found_2
        curve_22 = (terms_N2 * (rates_N * (1 - rates_N))[:, None]).T @ terms_N2 + RIDGE * np.eye(2)
        step_2 = np.linalg.solve(curve_22, slope_2)
        while (after := _loss(found_2 - step_2, terms_N2, values_N)) > loss and np.abs(step_2).max() > 1e-12:
            step_2 /= 2
        found_2, loss = found_2 - step_2, after
        if np.abs(step_2).max() <= 1e-9:
            break
    return float(found_2[0]), float(found_2[1])


def _loss(found_2: NDArray[np.float64], terms_N2: NDArray[np.float64], values_N: NDArray[np.float64]) -> float:
    logits_N = terms_N2 @ found_2
    return float((np.logaddexp(0, logits_N) - values_N * logits_N).sum() + RIDGE / 2 * (found_2**2).sum())
