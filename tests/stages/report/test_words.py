import pytest

from stages.report.words import duration, number, percent, plural, short, signed, size, slug, visible


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.04, "0.0 s"), (9.94, "9.9 s"), (59.7, "1 min"), (75.3, "1 min 15 s"), (3605, "1 h"),
     (7260, "2 h 1 min"), (90000, "1 d 1 h"), (86_460, "1 d")],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.250"), (-0.019, "−0.019"), (12.3456, "12.35"), (1093.2, "1,093"), (float("nan"), "not a number"),
     (float("inf"), "infinite"), (26440851.26, "2.64 × 10⁷"), (-3e6, "−3.00 × 10⁶")],
)  # fmt: skip
def test_numbers_have_the_digits_that_count(value: float, text: str) -> None:
    assert number(value).replace("\u202f", " ") == text


def test_small_words() -> None:
    assert signed(0.5) == "+0.500"
    assert (plural(1, "page"), plural(2000, "page")) == ("1 page", "2,000 pages")
    assert percent(1, 0) == "\u2013"
    assert [short(value).replace("\u202f", " ") for value in (999, 9_999, 12_345, 6.7e9)] == [
        "999",
        "9,999",
        "12.3 k",
        "6.7 B",
    ]
    assert [size(value).replace("\u202f", " ") for value in (0, 999, 1_234_567, 5e12)] == [
        *("0 B", "999 B", "1.23 MB", "5 TB")
    ]
    assert slug("Bad-Node!") == "bad-node"


def test_control_characters_become_visible_and_line_breaks_stay() -> None:
    assert visible("a\x00b\n\t\x1b\ud800\x7f") == "a\u2400b\n\t\u241b\ufffd\ufffd"
