"""The fit against SciPy's, and its intervals against draws of a known law."""

from __future__ import annotations

import math
import random

import pytest
from scipy.stats import linregress
from scipy.stats import t as student

from stages.formats.telemetry.scaling import Point
from stages.pretrain.scaling.fit import law


def points(seed: int, count: int = 6, noise: float = 0.01) -> list[Point]:
    """Return trainings whose loss is 50 x operations ** -0.06, with noise."""
    draw = random.Random(seed)
    sizes = [(1e6 * 2**place, 2e7 * 2**place) for place in range(count)]
    return [
        Point(
            name=str(place),
            parameters=size,
            tokens=tokens,
            loss=50 * (6 * size * tokens) ** -0.06 * math.exp(draw.gauss(0, noise)),
        )
        for place, (size, tokens) in enumerate(sizes)
    ]


def test_exponent_and_interval_are_scipys() -> None:
    made = points(1)
    found = law(made, [], "heldout")
    stock = linregress([math.log(each.operations) for each in made], [math.log(each.loss) for each in made])
    half = student.ppf(0.975, 4) * stock.stderr
    assert (found.exponent, found.low, found.high) == pytest.approx(
        (stock.slope, stock.slope - half, stock.slope + half), rel=1e-5
    )
    assert found.factor == pytest.approx(math.exp(stock.intercept))


def test_a_law_without_noise_is_found_exactly_whatever_the_order() -> None:
    found = law(points(1, noise=0.0)[::-1], [("large", 1e9, 2e10)], "training")
    assert found.exponent == pytest.approx(-0.06)
    assert found.predictions[0].point.loss == pytest.approx(50 * (6 * 1e9 * 2e10) ** -0.06)
    assert found.largest.point.loss == pytest.approx(found.points[-1].loss)
    assert [point.name for point in found.points] == ["0", "1", "2", "3", "4", "5"]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    laws = [law(points(seed), [("large", 1e8, 2e9)], "heldout") for seed in range(400)]
    assert 0.92 < sum(each.low <= -0.06 <= each.high for each in laws) / 400 < 0.98
    held = sum(each.largest.low <= each.points[-1].loss <= each.largest.high for each in laws)
    assert 0.92 < held / 400 < 0.98
