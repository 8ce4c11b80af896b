"""The calendar: says a date in English, whatever the machine's language is (arXiv:2302.04761)."""

from __future__ import annotations

import re
from datetime import date

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_IN_URL = re.compile(r"(?<!\d)((?:19|20)\d\d)([-/_]?)(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01])(?!\d)")


def today_is(day: date) -> str:
    """Return the answer of the calendar: `Today is Monday, January 30, 2023.` with its dot."""
    return f"Today is {_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}."


def date_in(url: str) -> date | None:
    """Return the first date in a URL, such as that of /2023/01/30/ or 2023-01-30; None: there is none."""
    for found in _IN_URL.finditer(url):
        year, mark, month, day = found.groups()
        if not mark and len(month + day) < len("0101"):
            continue  # digits without marks are a date only in full
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None
