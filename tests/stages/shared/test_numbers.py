import pytest

from stages.shared.numbers import count, duration, hours, percent, plural, short, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.04, "0.0 s"), (9.94, "9.9 s"), (9.99, "10 s"), (59.7, "1 min"), (75.3, "1 min 15 s"),
     (3605, "1 h"), (7260, "2 h 1 min"), (90000, "1 d 1 h"), (86_460, "1 d")],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 s"), (0.01, "36 s"), (0.25, "15 min"), (1.0, "1 h"), (1.54, "1.5 h"), (12_345.6, "12,346 h")],
)
def test_an_estimate_has_one_unit_and_stays_in_hours(value: float, text: str) -> None:
    assert hours(value) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1_234_567, "1.23 MB"), (12_000_000, "12 MB"), (999_600, "1,000 kB"), (5e12, "5 TB"),
     (1.5e16, "15,000 TB")],
)  # fmt: skip
def test_a_size_has_three_digits_that_count(num_bytes: float, text: str) -> None:
    assert size(num_bytes) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (9_999, "9,999"), (12_345, "12.3 k"), (6.7e9, "6.7 B"), (1e15, "1,000 T")],
)
def test_a_short_number_is_for_the_eye(value: float, text: str) -> None:
    assert short(value) == text


def test_shares_counts_and_plurals() -> None:
    assert (percent(1, 8), percent(1, 0)) == ("12.5 %", "\u2013")
    assert count(1_234_567) == "1,234,567"
    assert (plural(1, "page"), plural(2000, "page"), plural(0, "batch")) == ("1 page", "2,000 pages", "0 batches")
