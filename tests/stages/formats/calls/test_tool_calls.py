from __future__ import annotations

from typing import Any

import pytest

from stages.formats.calls.tool_calls import (
    ToolCall,
    call_record,
    from_part,
    parse_object,
    parse_tool_call,
    to_part,
    write_calls,
)
from stages.formats.chat.rejects import Reject

CALL = ToolCall("get_weather", '{"city": "São Paulo", "t": "</tool_call>"}', "call_1")


def test_records_and_parts_read_back() -> None:
    assert parse_tool_call(call_record(CALL)) == CALL
    assert from_part(to_part(CALL)) == CALL
    assert from_part(to_part(CALL._replace(id=""))).id == ""


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert write_calls([ToolCall("now", "{}")]) == '<tool_call>{"name": "now", "arguments": {}}</tool_call>'


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {"function": {"name": "f"}},
        {"type": "custom", "function": {"name": "f", "arguments": "{}"}},
        {"function": {"name": "f", "arguments": {}}},
        {"function": {"name": "f g", "arguments": "{}"}},
        {"function": {"name": "f" * 65, "arguments": "{}"}},
        {"id": 1, "function": {"name": "f", "arguments": "{}"}},
    ],
)
def test_other_records_are_refused(record: Any) -> None:
    with pytest.raises(Reject):
        parse_tool_call(record)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "{'a': 1}", '{"a":' * 100_000])
def test_arguments_are_strict_json(text: str) -> None:
    with pytest.raises(Reject, match="not_json"):
        parse_object(text)
