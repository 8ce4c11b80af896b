import pytest

from stages.report.words import duration, number, percent, short, signed, size, slug, visible


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.250"), (-0.019, "−0.019"), (12.3456, "12.35"), (1093.2, "1,093"), (float("nan"), "not a number"),
     (float("inf"), "infinite"), (26440851.26, "2.64 × 10⁷"), (-3e6, "−3.00 × 10⁶")],
)  # fmt: skip
def test_numbers_have_the_digits_that_count(value: float, text: str) -> None:
    assert number(value).replace("\u202f", " ") == text


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    assert [size(1_234_567), short(12_345), percent(1, 8), duration(75.3)] == [
        "1.23\u202fMB", "12.3\u202fk", "12.5\u202f%", "1\u202fmin 15\u202fs",
    ]  # fmt: skip


def test_signs_and_names() -> None:
    assert (signed(0.5), signed(-0.5)) == ("+0.500", "\u22120.500")
    assert slug("Bad-Node!") == "bad-node"


def test_control_characters_become_visible_and_line_breaks_stay() -> None:
    assert visible("a\x00b\n\t\x1b\ud800\x7f") == "a\u2400b\n\t\u241b\ufffd\ufffd"
