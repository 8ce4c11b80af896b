"""Numbers and texts as the page shows them. Pure."""

from __future__ import annotations

import math
import re

from stages.shared import numbers

MINUS = "\u2212"
SPACE = "\u202f"
"""A narrow no-break space, between a number and its unit."""
BEFORE_UNIT = re.compile(r"(?<=\d) (?=\D)")

count = numbers.count
plural = numbers.plural


def _typeset(text: str) -> str:
    return BEFORE_UNIT.sub(SPACE, text)


def short(value: float) -> str:
    """Return 1234567 as 1.23 M, typeset."""
    return _typeset(numbers.short(value))


def size(num_bytes: float) -> str:
    """Return 1234567 bytes as 1.23 MB, typeset."""
    return _typeset(numbers.size(num_bytes))


def percent(part: float, whole: float) -> str:
    """Return a share as 12.3 %, typeset, or a dash if there is no whole."""
    return _typeset(numbers.percent(part, whole))


def duration(seconds: float) -> str:
    """Return 75.3 seconds as 1 min 15 s, typeset."""
    return _typeset(numbers.duration(seconds))


def number(value: float) -> str:
    """Return a measurement with four digits that count and a true minus sign; a very large one in powers of ten."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if abs(value) >= 1e6:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{mantissa}{SPACE}\u00d7{SPACE}10{superscript(int(exponent))}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    return text.replace("-", MINUS)


def superscript(value: int) -> str:
    """Return an integer in raised digits."""
    return str(value).translate(
        str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
    )


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)


def visible(text: str) -> str:
    """Return text that HTML can carry: control characters as their pictures, lone surrogates as U+FFFD."""
    pictured = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", lambda found: chr(0x2400 + ord(found[0])), text)
    return re.sub(r"[\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", pictured)


def slug(*parts: str) -> str:
    """Return a name for an id attribute or a CSS class."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-") or "x"
