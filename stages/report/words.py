"""Numbers and texts as a reader wants them. Pure."""

from __future__ import annotations

import math
import re

MINUS = "\u2212"
SPACE = "\u202f"
"""A narrow no-break space, between a number and its unit."""
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def count(value: int) -> str:
    """Return 12345 as 12,345."""
    return f"{value:,}"


def short(value: float) -> str:
    """Return 1234567 as 1.23 M: three digits, for the eye."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scale = 1e3 if unit == "k" else size
            return f"{value / scale:.3g}{SPACE}{unit}"
    return f"{value:,.0f}"


def size(num_bytes: float) -> str:
    """Return 1234567 bytes as 1.23 MB."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:.3g}{SPACE}{name}"
    return f"{num_bytes:.0f}{SPACE}B"


def percent(part: float, whole: float) -> str:
    """Return a share as 12.3 %, or a dash if there is no whole."""
    return f"{100 * part / whole:.1f}{SPACE}%" if whole else "\u2013"


def number(value: float) -> str:
    """Return a measurement with four digits that count; a true minus sign; large ones in scientific notation."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    if abs(value) >= 1e6:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        text = f"{mantissa}\u202f\u00d7\u202f10{superscript(int(exponent))}"
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


def duration(seconds: float) -> str:
    """Return 75.3 as 1 min 15 s: the two largest units that matter."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}{SPACE}s"
    left, parts = round(seconds), []
    for size, unit in UNITS:
        amount, left = divmod(left, int(size))
        if amount:
            parts.append(f"{amount}{SPACE}{unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def plural(amount: int, noun: str) -> str:
    """Return 1 page, 2 pages, 1,000 pages."""
    return f"{count(amount)} {noun}{'' if amount == 1 else 's'}"


def visible(text: str) -> str:
    """Return text that HTML can carry: control characters as their pictures, lone surrogates as U+FFFD."""
    pictured = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", lambda found: chr(0x2400 + ord(found[0])), text)
    return re.sub(r"[\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", pictured)


def slug(*parts: str) -> str:
    """Return a name for an id attribute."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-") or "x"
