from __future__ import annotations

from datetime import date

import pytest

from stages.toolbox.dates import date_in, today_is


@pytest.mark.parametrize(
    ("day", "answer"),
    [
        (date(2023, 1, 30), "Today is Monday, January 30, 2023."),
        (date(2024, 2, 29), "Today is Thursday, February 29, 2024."),
        (date(1999, 12, 5), "Today is Sunday, December 5, 1999."),
    ],
)
def test_the_calendar_says_the_day(day: date, answer: str) -> None:
    assert today_is(day) == answer


@pytest.mark.parametrize(
    ("url", "day"),
    [
        ("https://a.org/2023/01/30/news", date(2023, 1, 30)),
        ("https://a.org/2023/1/3/news", date(2023, 1, 3)),
        ("https://a.org/news-2024-02-29.html", date(2024, 2, 29)),
        ("https://a.org/20230130", date(2023, 1, 30)),
        ("https://a.org/2023-02-30/2023-02-28", date(2023, 2, 28)),
        ("https://a.org/2023-02-30", None),
        ("https://a.org/1234202301301", None),
        ("https://a.org/202313", None),
        ("https://a.org/2023/13-01", None),
        ("", None),
    ],
)
def test_dates_of_urls(url: str, day: date | None) -> None:
    assert date_in(url) == day
