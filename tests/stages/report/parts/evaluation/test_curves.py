import math
from dataclasses import replace

import pytest

from stages.formats.results import Results, Score
from stages.report.parts.evaluation.comparison import compare
from stages.report.parts.evaluation.curves import Curve, Line, curves, power_law
from tests.stages.report.journey import evaluation_key, score


def curve(*points: tuple[str, Score]) -> Curve:
    (found,) = curves(compare([Results(key=evaluation_key(name), scores=(each,)) for name, each in points]))
    return found


def line(*scores: Score, names: str = "step-{}") -> Line:
    (found,) = curve(*((names.format(100 * 2**n), each) for n, each in enumerate(scores))).lines
    return found


def accuracy(value: float, stderr: float = 0.005) -> Score:
    return score("t", "acc", value, stderr, chance=0.25)


def test_a_power_law_of_the_error_is_found() -> None:
    fit = line(*(accuracy(1 - 3 * (100 * 2**n) ** -0.3) for n in range(5))).fit
    assert fit is not None
    assert (fit.quantity, fit.exponent, fit.factor) == ("1 - score", pytest.approx(-0.3), pytest.approx(3.0))
    assert 0 < fit.stderr < 0.05
    assert fit.score(400) == pytest.approx(1 - 3 * 400**-0.3)


@pytest.mark.parametrize(("metric", "value"), [("bits_per_byte", 2.0), ("word_perplexity", math.exp(2.0))])
def test_a_power_law_of_a_loss_is_found_and_a_perplexity_counts_as_its_loss(metric: str, value: float) -> None:
    scores = []
    for n in range(4):
        loss = 2.0 * (2**n) ** -0.1
        shown = loss if metric == "bits_per_byte" else math.exp(loss)
        scores.append(score("t", metric, shown, 0.01, higher_is_better=False))
    fit = line(*scores).fit
    assert fit is not None
    assert fit.exponent == pytest.approx(-0.1)
    assert fit.score(100) == pytest.approx(value)


def test_three_points_and_points_at_chance_support_no_fit() -> None:
    rising = [accuracy(each) for each in (0.4, 0.5, 0.6)]
    assert line(*rising).unfit == "3 of 3 points support one, 4 are needed"
    assert line(accuracy(0.25), accuracy(0.255), *rising).unfit == "3 of 5 points support one, 4 are needed"


def test_an_exponent_that_is_not_clear_of_zero_is_no_fit() -> None:
    flat = line(*(accuracy(each, 0.02) for each in (0.60, 0.61, 0.59, 0.60, 0.61)))
    assert flat.fit is None
    assert "not clear of 0" in flat.unfit


def test_scatter_beyond_the_errors_of_the_points_widens_the_error_of_the_exponent() -> None:
    smooth = [(10 * 2**n, accuracy(1 - 0.7 * (2**n) ** -0.2)) for n in range(6)]
    rough = [(step, replace(each, value=each.value + 0.05 * (-1) ** n)) for n, (step, each) in enumerate(smooth)]
    assert power_law(rough).stderr > 3 * power_law(smooth).stderr


def test_scores_without_intervals_are_fitted_alike() -> None:
    plain = [(10 * 2**n, score("t", "em", 1 - 0.7 * (2**n) ** -0.2, None)) for n in range(5)]
    assert power_law(plain).exponent == pytest.approx(-0.2)
    assert power_law(plain).stderr == pytest.approx(0.0, abs=1e-9)


def test_a_perfect_score_and_an_infinite_loss_support_nothing() -> None:
    assert line(*[accuracy(1.0, 0.0)] * 5).fit is None
    assert line(*[score("t", "word_perplexity", math.inf, None, higher_is_better=False)] * 5).fit is None
    assert line(*[score("t", "word_perplexity", 0.0, None, higher_is_better=False)] * 5).fit is None


def test_two_trainings_are_two_lines_and_the_untrained_model_is_a_level() -> None:
    found = curve(
        ("untrained", accuracy(0.25)),
        *((f"{name}/step-{step}", accuracy(0.5)) for name in ("a", "b") for step in (200, 100)),
        ("c/step-100", accuracy(0.5)),
        ("final", accuracy(0.6)),
    )
    assert [(each.training, [step for step, _ in each.points]) for each in found.lines] == [
        ("a", [100, 200]), ("b", [100, 200]),
    ]  # fmt: skip
    assert (found.untrained, found.chance) == (0.25, 0.25)


def test_without_steps_there_is_no_curve() -> None:
    assert curves(compare([Results(key=evaluation_key(name), scores=(accuracy(0.5),)) for name in ("a", "b")])) == []
