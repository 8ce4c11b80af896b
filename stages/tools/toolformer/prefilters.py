"""The paper's filters of texts before calls are sampled in them (arXiv:2302.04761, appendix A)."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations

from stages.text.words.tokens import split
from stages.toolbox.dates import date_in

WINDOW = 100
"""Words in which the calculator's numbers must stand."""
NUMBERS = 3
OTHERS = 0.01
"""Share of the texts with numbers, but without a relation, that are kept."""
FOREIGN_TOKENS, SURE = 10, 0.8
"""Tokens of a piece whose language is detected, and the least probability of that language."""
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
_RELATION = re.compile(r"=|\b(?:equals?|equal to|total of|average of)\b", re.IGNORECASE)
_MOST = 40
"""Numbers of a window whose results are compared: their pairs grow with the square."""


def can_calculate(text: str, draw: float) -> bool:
    """Return whether a text may gain by a calculator.

    It has a window of 100 words with at least three numbers, and there `=`, `equals`, `total of` or `average of`, or a
    number that is the result of an operation on two others. Of the other texts with three numbers one in a hundred is
    kept: those whose `draw`, from 0 to 1, is small.
    """
    words = text.split()
    has_numbers = False
    for start in range(0, max(1, len(words) - WINDOW // 2), WINDOW // 2):
        window = " ".join(words[start : start + WINDOW])
        numbers = [Fraction(each.replace(",", "")) for each in _NUMBER.findall(window)]
        if len(numbers) >= NUMBERS:
            has_numbers = True
            if _RELATION.search(window) or _has_result(numbers[:_MOST]):
                return True
    return has_numbers and draw < OTHERS


def _has_result(numbers: list[Fraction]) -> bool:
    """Return whether a number is the sum, difference, product or quotient of two others."""
    for (first, one), (second, other) in combinations(enumerate(numbers), 2):
        results = {one + other, abs(one - other), one * other}
        results |= {one / other} if other else set()
        results |= {other / one} if one else set()
        if any(number in results for place, number in enumerate(numbers) if place not in (first, second)):
            return True
    return False


def has_date(url: str) -> bool:
    """Return whether a text's URL has the date that a calendar would say."""
    return date_in(url) is not None


def has_foreign(text: str, language: Callable[[str], tuple[str, float]]) -> bool:
    """Return whether ten tokens one after another are surely not English; `language` returns code and probability."""
    found = split(text)
    last = len(found.starts) - FOREIGN_TOKENS
    for at in range(0, last + 1, FOREIGN_TOKENS):
        code, score = language(text[found.starts[at] : found.ends[at + FOREIGN_TOKENS - 1]])
        if code != "en" and score > SURE:
            return True
    return False


def stands_before(text: str, given: str, place: int) -> bool:
    """Return whether a call's input is behind the call and not before it: a translation after its text is a copy."""
    return given in text[place:] and given not in text[:place]
