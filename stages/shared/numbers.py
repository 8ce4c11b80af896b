"""Formats numbers for people: counts, sizes, shares and times, the same in the plan, the logs and the report."""

from __future__ import annotations

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
SHORT = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
DASH = "\u2013"


def count(value: int) -> str:
    """Return 12345 as `12,345`."""
    return f"{value:,}"


def plural(amount: int, noun: str) -> str:
    """Return `1 page`, `2 pages`, `1,000 pages`; and `2 batches`."""
    ending = "" if amount == 1 else "es" if noun.endswith(("ch", "sh", "s", "x")) else "s"
    return f"{count(amount)} {noun}{ending}"


def short(value: float) -> str:
    """Return 1234567 as `1.23 M`: three digits, or all of them below 10,000."""
    if abs(value) < 1e4:
        return f"{value:,.0f}"
    return next(f"{_digits(value / unit)} {name}" for unit, name in SHORT if abs(value) >= unit)


def size(num_bytes: float) -> str:
    """Return 1234567 bytes as `1.23 MB`, in units of 1000."""
    unit, name = next((pair for pair in SIZES if num_bytes >= pair[0]), SIZES[-1])
    return f"{num_bytes:.0f} B" if name == "B" else f"{_digits(num_bytes / unit)} {name}"


def percent(part: float, whole: float) -> str:
    """Return a share as `12.3 %`, or a dash if there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else DASH


def duration(seconds: float) -> str:
    """Return a time that was measured: 75.3 as `1 min 15 s`, its two largest units."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    left, parts = round(seconds), []
    for unit, name in UNITS:
        amount, left = divmod(left, unit)
        parts.append(f"{amount} {name}" if amount else "")
    first = next(place for place, part in enumerate(parts) if part)
    return " ".join(filter(None, parts[first : first + 2]))


def hours(value: float) -> str:
    """Return a time that was estimated: 1.5 hours as `1.5 h`, 0.25 as `15 min`. Hours stay hours: they are bills."""
    for unit, name in ((1.0, "h"), (1 / 60, "min")):
        if value >= unit:
            return f"{value / unit:,.{0 if value >= 1000 else 1}f}".removesuffix(".0") + f" {name}"
    return f"{value * 3600:.0f} s"


def _digits(value: float) -> str:
    """Return a number from 1 up with three digits that count, zeros at the end left out."""
    places = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
