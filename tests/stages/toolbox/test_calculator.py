from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from threading import Thread

import pytest

from stages.formats.calls.inline import InlineCall, find_calls
from stages.formats.chat.rejects import Reject
from stages.toolbox.calculator import calculate, rounded


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("735/499", "1.47"),
        ("85/23", "3.70"),
        ("400/1400", "0.29"),
        ("8-3-2", "3.00"),
        ("100/10/2", "5.00"),
        ("1/3*3", "1.00"),
        ("2-3+4", "3.00"),
        ("2+3*4", "14.00"),
        ("(2+3)*4", "20.00"),
        ("-5+3", "-2.00"),
        ("1.5+2", "3.50"),
        ("0.1+0.2", "0.30"),
        ("1,000+1", "1001.00"),
        ("1/8", "0.13"),
        ("-1/8", "-0.13"),
        ("2.675", "2.68"),
        ("-0.001", "0.00"),
        (" 2 × 3 ÷ 4 − 1 ", "0.50"),
        ("((3+4)*2)", "14.00"),
        ("-(2+3)*-2", "10.00"),
        ("-2*3", "-6.00"),
        (".5+5.", "5.50"),
        ("9" * 40 + "*1", "9" * 40 + ".00"),
    ],
)
def test_values_are_exact_and_rounded_half_up(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        *("", "5/0", "1/(2-2)", "9**9**9", "x", "abs(1)", "a.b", "5 5", "012", "1,00", "1_000", "1e9", "5%2", "7//2"),
        *("(1", "1)", "()", "*2", "2+", "1.2.3", ".", "٣+1", "__import__('os').getpid()", "1;2", "1\n2"),
        *("9" * 41, "(" * 51 + "1" + ")" * 51, "-" * 60 + "1", "1+" * 600 + "1", "1" + "+1" * 10_000),
    ],
)
def test_other_texts_are_refused_with_a_reason(expression: str) -> None:
    with pytest.raises(Reject, match="bad_expression") as refused:
        calculate(expression)
    assert refused.value.detail


def test_nothing_is_evaluated(tmp_path: Path) -> None:
    with pytest.raises(Reject):
        calculate(f"open('{tmp_path / 'written'}', 'w')")
    assert not (tmp_path / "written").exists()


def test_rounding_is_half_away_from_zero() -> None:
    assert [rounded(Fraction(each, 1000)) for each in (5, -5, 4, -4, 995)] == ["0.01", "-0.01", "0.00", "0.00", "1.00"]


def test_calls_in_a_text_are_calculated_in_any_thread() -> None:
    text = "[Calculator((3+4)*2)] and [Calculator(400/1400)]"
    found: list[str] = []
    calls = [call for call in find_calls(text) if isinstance(call, InlineCall)]
    thread = Thread(target=lambda: found.extend(calculate(call.input) for call in calls))
    thread.start()
    thread.join()
    assert found == ["14.00", "0.29"]
