"""The calculator: + - * / and brackets on numbers, exact, then rounded half up to two decimals (arXiv:2302.04761).

Reads its own grammar; nothing is evaluated as code. Bounds keep the work of a hostile expression small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from stages.formats.chat.rejects import Reject

MAX_CHARS, MAX_DIGITS, MAX_DEPTH = 1000, 40, 50
_TOKEN = re.compile(r"\s*(?:((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)|(.))", re.DOTALL)
_SIGNS = {"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00f7": "/"}
_SUMS: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {"+": Fraction.__add__, "-": Fraction.__sub__}


def calculate(expression: str) -> str:
    """Return the value with two decimals, such as `3.70`. Raises Reject(`bad_expression`, why) for other texts."""
    if len(expression) > MAX_CHARS:
        raise _refused(f"more than {MAX_CHARS} characters")
    reader = _Reader(expression)
    value = reader.sum(0)
    if reader.next:
        raise _refused(f"{reader.next!r} after the expression")
    return rounded(value)


def rounded(value: Fraction) -> str:
    """Return a number with two decimals. Halves are rounded away from zero: 1/8 is 0.13."""
    hundredths = (200 * abs(value).numerator + value.denominator) // (2 * value.denominator)
    sign = "-" if value < 0 and hundredths else ""
    return f"{sign}{hundredths // 100}.{hundredths % 100:02}"


def _refused(why: str) -> Reject:
    return Reject("bad_expression", why)


class _Reader:
    """Reads sums of products of signed numbers and brackets, from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = [(number, _SIGNS.get(sign, sign)) for number, sign in _TOKEN.findall(text.strip())]
        self._at = 0

    @property
    def next(self) -> str:
        """The next token; empty at the end."""
        return "".join(self._tokens[self._at]) if self._at < len(self._tokens) else ""

    def _takes(self, signs: str) -> str:
        """Skip the next token if it is one of the signs; return it, else nothing."""
        found = self.next if self.next and self.next in signs else ""
        self._at += bool(found)
        return found

    def sum(self, depth: int) -> Fraction:
        """Return the value of a sum, up to what cannot be part of one."""
        value = self._product(depth)
        while sign := self._takes("+-"):
            value = _SUMS[sign](value, self._product(depth))
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._signed(depth)
        while sign := self._takes("*/"):
            factor = self._signed(depth)
            if sign == "/" and not factor:
                raise _refused("a division by zero")
            value = value * factor if sign == "*" else value / factor
        return value

    def _signed(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise _refused(f"more than {MAX_DEPTH} brackets or signs")
        if sign := self._takes("+-"):
            value = self._signed(depth + 1)
            return -value if sign == "-" else value
        if self._takes("("):
            value = self.sum(depth + 1)
            if not self._takes(")"):
                raise _refused("a bracket that is not closed")
            return value
        return self._number()

    def _number(self) -> Fraction:
        token = self.next
        self._at += 1
        if not token or not self._tokens[self._at - 1][0]:
            raise _refused(f"{token!r} where a number must be" if token else "an end where a number must be")
        digits = token.replace(",", "")
        if len(digits) > MAX_DIGITS:
            raise _refused(f"a number of more than {MAX_DIGITS} digits")
        if re.match(r"0\d", digits):
            raise _refused(f"{token} begins with a zero")
        return Fraction(digits.rstrip("."))
