"""Curves of scores over training steps, with power laws where the points support them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.formats.results import UNTRAINED, Score
from stages.report.parts.evaluation.checkpoints import training_of, training_step
from stages.report.parts.evaluation.comparison import CLEAR, Comparison
from stages.report.words import number, plural

MIN_POINTS = 4
"""Of a fit."""


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """quantity = factor * step ** exponent."""

    quantity: str
    """`1 - score`, `ln score` or `score`."""
    factor: float
    exponent: float
    stderr: float
    """Standard error of the exponent."""
    steps: tuple[int, ...]
    """Steps of the points that it was fitted to."""

    def score(self, step: float) -> float:
        """Return the score at a step."""
        quantity = self.factor * math.pow(step, self.exponent)
        return {"1 - score": 1 - quantity, "ln score": math.exp(quantity)}.get(self.quantity, quantity)


@dataclass(frozen=True, kw_only=True)
class Line:
    """The checkpoints of one training."""

    training: str
    points: tuple[tuple[int, Score], ...]
    """Step and score, in order of steps, two at least."""
    fit: PowerLaw | None
    unfit: str
    """Why there is no fit."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A task over the steps of one or more trainings."""

    column: Comparison
    lines: tuple[Line, ...]
    chance: float | None
    untrained: float | None


def curves(columns: Sequence[Comparison]) -> list[Curve]:
    """Return the curve of each task that a training has two checkpoints of, with a step above 0 in their names."""
    found = [_curve(column) for column in columns]
    return [curve for curve in found if curve.lines]


def _curve(column: Comparison) -> Curve:
    trainings: dict[str, dict[int, Score]] = {}
    for row in column.rows:
        step = training_step(row.source)
        if step:
            trainings.setdefault(training_of(row.source), {})[step] = row.score
    lines = [_line(training, sorted(by_step.items())) for training, by_step in trainings.items() if len(by_step) > 1]
    return Curve(
        column=column,
        lines=tuple(lines),
        chance=next((row.score.chance for row in column.rows if row.score.chance is not None), None),
        untrained=next((row.score.value for row in column.rows if row.source == UNTRAINED), None),
    )


def _line(training: str, points: Sequence[tuple[int, Score]]) -> Line:
    supporting = [(step, score) for step, score in points if _supports(score)]
    fit = power_law(supporting) if len(supporting) >= MIN_POINTS else None
    unfit = "" if fit else f"{len(supporting)} of {plural(len(points), 'point')} support one, {MIN_POINTS} are needed"
    if fit and abs(fit.exponent) <= CLEAR * fit.stderr:
        unfit = f"the exponent {number(fit.exponent)} \u00b1 {number(fit.stderr)} is not clear of 0"
    return Line(training=training, points=tuple(points), fit=None if unfit else fit, unfit=unfit)


def power_law(points: Sequence[tuple[int, Score]]) -> PowerLaw:
    """Return the weighted fit of ln(quantity) to ln(step); points have a quantity above 0.

    The quantity of a perplexity is the loss in nats, that of a score up to 1 is the distance to 1. The standard error
    grows with the scatter of points that lie farther from the line than their own errors let expect (reduced
    chi-squared, never below 1 where the errors are known).
    """
    quantity = _quantity(points[0][1])
    errors = [_log_error(quantity, score) for _, score in points]
    is_known = all(errors)
    weights = [1 / error**2 if error and is_known else 1.0 for error in errors]
    xs = [math.log(step) for step, _ in points]
    ys = [math.log(_value(quantity, score)) for _, score in points]
    x_mean, y_mean = (_mean(weights, values) for values in (xs, ys))
    spread = _mean(weights, [(x - x_mean) ** 2 for x in xs])
    slope = _mean(weights, [(x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)]) / spread
    squares = _mean(weights, [(y - y_mean - slope * (x - x_mean)) ** 2 for x, y in zip(xs, ys, strict=True)])
    scatter = squares * sum(weights) / (len(points) - 2)
    return PowerLaw(
        quantity=quantity,
        factor=math.exp(y_mean - slope * x_mean),
        exponent=slope,
        stderr=math.sqrt((max(1.0, scatter) if is_known else scatter) / (spread * sum(weights))),
        steps=tuple(step for step, _ in points),
    )


def _mean(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights)


def _quantity(score: Score) -> str:
    if score.higher_is_better:
        return "1 - score"
    return "ln score" if "perplexity" in score.metric else "score"


def _value(quantity: str, score: Score) -> float:
    if quantity == "1 - score":
        return 1 - score.value
    if quantity == "ln score":
        return math.log(score.value) if score.value > 0 else 0.0
    return score.value


def _log_error(quantity: str, score: Score) -> float | None:
    """Return the standard error of ln(quantity), from the interval; None if unknown."""
    if score.low is None or score.high is None:
        return None
    error = (score.high - score.low) / 4
    if quantity == "ln score":
        error /= score.value
    return error / _value(quantity, score)


def _supports(score: Score) -> bool:
    """Return whether a power law can pass the score, and its interval does not hold the level of chance."""
    value = _value(_quantity(score), score)
    if not math.isfinite(value) or value <= 0 or (score.higher_is_better and score.value < 0):
        return False
    if score.chance is None:
        return True
    return score.low is not None and score.low > score.chance
