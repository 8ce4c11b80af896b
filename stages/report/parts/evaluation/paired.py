"""The paired test of two checkpoints on the same questions. Pure.

Two checkpoints are right and wrong on much the same questions: the difference of each question has a smaller error than
the difference of two independent scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Z = 1.96
"""Standard errors on each side of a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The mean over questions of one checkpoint's value minus another's."""

    value: float
    stderr: float
    low: float
    high: float
    """The 95 % interval of `value`."""
    p: float
    """Two-sided: how often equal checkpoints differ by as much or more."""
    higher: int
    """Questions on which the first checkpoint has the higher value."""
    lower: int


def compare_questions(one: Mapping[str, float], other: Mapping[str, float]) -> Paired | None:
    """Return the paired test of values by question; None unless both have the same questions, two or more.

    Values of 0 and 1 take McNemar's exact test with mid-p (Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13,
    2013, 91), and the interval of Agresti and Min (Stat. Med. 24, 2005, 729), with half a question more of each
    outcome: 8 questions without a difference have an interval. Other values take the normal test and
    interval of the mean difference.
    """
    if one.keys() != other.keys() or len(one) < 2:
        return None
    differences = [value - other[question] for question, value in one.items()]
    mean = sum(differences) / len(differences)
    variance = sum((each - mean) ** 2 for each in differences) / (len(differences) - 1)
    stderr = math.sqrt(variance / len(differences))
    binary = all(value in (0, 1) for values in (one, other) for value in values.values())
    higher, lower = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    p = mcnemar(higher, lower) if binary else normal(mean, stderr)
    low, high = binary_interval(higher, lower, len(differences)) if binary else normal_interval(mean, stderr)
    return Paired(value=mean, stderr=stderr, low=low, high=high, p=p, higher=higher, lower=lower)


def binary_interval(gains: int, losses: int, questions: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference of right or wrong."""
    number = questions + 2
    mean = (gains - losses) / number
    return normal_interval(mean, math.sqrt((gains + losses + 1) / number - mean**2) / math.sqrt(number))


def normal_interval(mean: float, stderr: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean."""
    return mean - Z * stderr, mean + Z * stderr


def mcnemar(gains: int, losses: int) -> float:
    """Return the two-sided mid-p of questions won and lost."""
    number, fewer = gains + losses, min(gains, losses)
    below, ways = 0, 1  # `ways` to choose k of `number`: each from the one before, since comb() alone takes O(k) each
    for k in range(fewer):
        below += ways
        ways = ways * (number - k) // (k + 1)
    return min(1.0, (2 * below + ways) / (1 << number))


def normal(mean: float, stderr: float) -> float:
    """Return the two-sided p of a mean."""
    if not stderr:
        return 1.0 if mean == 0 else 0.0
    return math.erfc(abs(mean) / stderr / math.sqrt(2))
