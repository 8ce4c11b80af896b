from __future__ import annotations

from typing import Any

import pytest

from stages.formats.calls.functions import bind, function_record, parse_function, resolve
from stages.formats.calls.literals import parse_arguments
from stages.formats.calls.tool_calls import ToolCall
from stages.formats.chat.rejects import Reject

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
RECORD = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": SCHEMA}}
WEATHER = parse_function(RECORD)


def test_a_function_reads_back() -> None:
    assert function_record(WEATHER) == RECORD
    assert parse_function({"type": "function", "function": {"name": "now"}}).names == []


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"type": "function"},
        {"type": "web_search", "function": {"name": "f"}},
        {"type": "function", "function": {"name": ""}},
        {"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}},
        {"type": "function", "function": {"name": "f", "parameters": {"properties": []}}},
        {"type": "function", "function": {"name": "f", "description": 1}},
    ],
)
def test_other_records_are_refused(record: Any) -> None:
    with pytest.raises(Reject):
        parse_function(record)


def test_arguments_are_what_the_schema_demands() -> None:
    assert bind(WEATHER, parse_arguments("'Ulm', days='2'")) == {"city": "Ulm", "days": 2}
    function, arguments = resolve(ToolCall("weather", '{"city": "02134", "days": 2.0}'), [WEATHER])
    assert function is WEATHER
    assert arguments == {"city": "02134", "days": 2}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("'Ulm', 1, 2", "too_many_arguments"),
        ("'Ulm', city='Bonn'", "argument_twice"),
        ("days=1", "missing_argument"),
        ("'Ulm', day=1", "unknown_argument"),
        ("'Ulm', '3.14'", "wrong_type"),
    ],
)
def test_other_arguments_are_refused_with_a_reason(written: str, reason: str) -> None:
    with pytest.raises(Reject, match=reason):
        bind(WEATHER, parse_arguments(written))


def test_a_call_of_an_unknown_function_names_the_known_ones() -> None:
    with pytest.raises(Reject) as refused:
        resolve(ToolCall("clock", "{}"), [WEATHER])
    assert (refused.value.reason, refused.value.detail) == ("unknown_function", "clock; known: weather")
