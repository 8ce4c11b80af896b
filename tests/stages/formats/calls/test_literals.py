from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.formats.calls.literals import parse_arguments, parse_literal
from stages.formats.chat.rejects import Reject


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-5", -5),
        ("1_000", 1000),
        (" 1.5e3 ", 1500.0),
        ("true", True),
        ("None", None),
        ("'it\\'s'", "it's"),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
        ("'a' \"b\"", "ab"),
        ("r'C:\\new'", "C:\\new"),
        ("'\\d\\n'", "\\d\n"),
        ("[1, (2,), {'a': None}]", [1, [2], {"a": None}]),
        ("(1)", 1),
        ("()", []),
        ("[1,]", [1]),
    ],
)
def test_literals_of_python_and_json_are_read(text: str, value: Any) -> None:
    found = parse_literal(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "x",
            "f(1)",
            "a.b",
            "True.real",
            "1+2",
            "not True",
            "5 5",
            "012",
            "0x1F",
            "nan",
            "1e999",
            "-",
            "--1",
            "1.2.3",
        ),
        *("b'x'", "f'{x}'", "{1: 2}", "{'a': 1, 'a': 2}", "[1 2]", "[,]", "'a"),
        *("9" * 500, "[" * 5000, "{'a':" * 5000),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Reject) as refused:
        parse_literal(text)
    assert refused.value.reason == "not_a_literal"


def test_positional_and_named_arguments_are_kept() -> None:
    found = parse_arguments("'pos', [1], y=2, z={'k': \"v)\"},")
    assert found.positional == ("pos", [1])
    assert found.named == {"y": 2, "z": {"k": "v)"}}
    assert parse_arguments(" ").positional == ()


def test_nothing_is_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "written"
    for text in (f"open('{path}', 'w')", f"x=__import__('pathlib').Path('{path}').touch()", "x=1+len('abc')"):
        with pytest.raises(Reject, match="not_a_literal"):
            parse_arguments(text)
    assert not path.exists()


@pytest.mark.parametrize("text", ["x=1, x=2", "y=2, 1", "**{'x': 1}", "*[1]", "1,,2", ",", "x=", "a==b", "1 2"])
def test_arguments_that_are_no_call_of_literals_are_refused(text: str) -> None:
    with pytest.raises(Reject, match="not_a_literal"):
        parse_arguments(text)
