import math

import pytest

from stages.report.parts.evaluation.paired import binary_interval, compare_questions, mcnemar, normal


def test_sixty_gains_and_thirty_losses_of_a_thousand_are_seen() -> None:
    one = {str(n): float(n < 660) for n in range(1000)}
    other = {str(n): float(n < 600 or 660 <= n < 690) for n in range(1000)}
    found = compare_questions(one, other)
    assert found is not None
    assert (found.value, found.p) == (pytest.approx(0.03), pytest.approx(0.0016, abs=2e-4))
    assert (found.higher, found.lower) == (60, 30)
    assert found.stderr == pytest.approx(math.sqrt((0.09 - 0.03**2) / 999), rel=1e-6)


def test_the_interval_of_a_difference_is_that_of_agresti_and_min() -> None:
    same = {str(n): 1.0 for n in range(8)}
    found = compare_questions(same, same)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(-0.196), pytest.approx(0.196)), "8 questions prove little"
    assert binary_interval(60, 30, 1000) == (pytest.approx(0.0113, abs=2e-4), pytest.approx(0.0486, abs=2e-4))
    assert binary_interval(5, 0, 5)[1] > binary_interval(5, 0, 5)[0] > 0


def test_mid_p_counts_half_of_what_was_seen() -> None:
    assert mcnemar(3, 1) == pytest.approx(2 * (1 + 4 / 2) / 16)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 1) == 1.0


def test_values_between_take_the_normal_test() -> None:
    found = compare_questions({"a": 0.5, "b": 0.75, "c": 1.0}, {"a": 0.25, "b": 0.5, "c": 0.5})
    assert found is not None
    assert found.p == pytest.approx(normal(1 / 3, found.stderr))
    assert (normal(0.0, 0.0), normal(0.1, 0.0)) == (1.0, 0.0)
    assert normal(1.96, 1.0) == pytest.approx(0.05, abs=1e-3)


def test_other_questions_are_not_compared() -> None:
    assert compare_questions({"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 0.0}) is None
    assert compare_questions({}, {}) is None
    assert compare_questions({"a": 1.0}, {"a": 0.0}) is None
