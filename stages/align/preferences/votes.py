"""Ranks from votes (arXiv:2112.00861, appendix C.1, as the data card of stack-exchange-preferences quotes it)."""

from __future__ import annotations

from stages.formats.chat.rejects import Reject


def askell_score(votes: int, is_accepted: bool) -> int:
    """Return round(log2(1 + votes)), or -1 for negative votes; 1 more for the answer that the asker accepted.

    A logarithm that ends in one half does not occur for whole votes, so that the rounding has no ties.
    """
    return (-1 if votes < 0 else _rounded_log2(1 + votes)) + is_accepted


def _rounded_log2(number: int) -> int:
    """Return the logarithm to base 2, rounded, without floating point: 2 ** (n - 1/2) squared is 2 ** (2n - 1)."""
    return (number * number).bit_length() // 2


def whole(value: object, field: str) -> int:
    """Return a whole number of votes; `"12"` and 12.0 are also ones. Raises Reject for another value."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Reject("not_a_number", f"{field}: {value!r}")
    try:
        number = float(value)
        if number != int(number):
            raise ValueError
        return int(value) if isinstance(value, int) else int(number)
    except (ValueError, OverflowError) as error:
        raise Reject("not_a_number", f"{field}: {value!r}") from error
