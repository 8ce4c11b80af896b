"""A power law through losses of trainings: least squares in logarithms, with Student's intervals. Pure.

Kaplan et al. fit the loss of the best models against operations in this way (arXiv:2001.08361, section 6.1). The law
has no loss that stays at infinity, since few small trainings do not show one. So it may promise too much far beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from stages.formats.telemetry.scaling import Point, Prediction, ScalingLaw

# fmt: off
STUDENT = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
)
# fmt: on
"""Student's quantile of a 95 % interval for 1 to 30 degrees of freedom; that of 30 for more."""


class Line:
    """The fit of ln loss to ln operations."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.xs = [math.log(point.operations) for point in points]
        ys = [math.log(point.loss) for point in points]
        self.count = len(points)
        self.middle = sum(self.xs) / self.count
        self.spread = sum((x - self.middle) ** 2 for x in self.xs)
        mean = sum(ys) / self.count
        self.slope = sum((x - self.middle) * (y - mean) for x, y in zip(self.xs, ys, strict=True)) / self.spread
        self.offset = mean - self.slope * self.middle
        rest = sum((y - self.at(x)) ** 2 for x, y in zip(self.xs, ys, strict=True))
        self.scatter = math.sqrt(rest / (self.count - 2))
        self.quantile = STUDENT[min(self.count - 2, len(STUDENT)) - 1]

    def at(self, x: float) -> float:
        """Return ln loss at ln operations."""
        return self.offset + self.slope * x

    def half(self, x: float) -> float:
        """Return half the interval of one more training's ln loss."""
        return self.quantile * self.scatter * math.sqrt(1 + 1 / self.count + (x - self.middle) ** 2 / self.spread)

    def predict(self, name: str, parameters: float, tokens: float) -> Prediction:
        """Return the loss of a training."""
        x = math.log(6 * parameters * tokens)
        y, half = self.at(x), self.half(x)
        point = Point(name=name, parameters=parameters, tokens=tokens, loss=math.exp(y))
        return Prediction(point=point, low=math.exp(y - half), high=math.exp(y + half))


def law(points: Sequence[Point], asked: Sequence[tuple[str, float, float]], kind: str) -> ScalingLaw:
    """Return the law through four points or more of different operations; `asked` are names, parameters and tokens."""
    ordered = sorted(points, key=lambda point: point.operations)
    line, check = Line(ordered), Line(ordered[:-1])
    half = line.quantile * line.scatter / math.sqrt(line.spread)
    last = ordered[-1]
    return ScalingLaw(
        points=tuple(ordered),
        factor=math.exp(line.offset),
        exponent=line.slope,
        low=line.slope - half,
        high=line.slope + half,
        predictions=tuple(line.predict(*each) for each in asked),
        largest=check.predict(last.name, last.parameters, last.tokens),
        kind=kind,
    )
