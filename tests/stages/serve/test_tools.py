"""Tools as the model sees them."""

from __future__ import annotations

import json

from stages.formats.calls.stream import read_tool_calls
from stages.serve.asked import Function
from stages.serve.tools import declared, written_call


def test_tools_are_declared_one_a_line() -> None:
    text = declared([Function(name="f", description="two\nlines"), Function(name="g", parameters={"type": "object"})])
    lines = text.splitlines()
    assert json.loads(lines[1])["description"] == "two\nlines"
    assert json.loads(lines[2]) == {"name": "g", "description": "", "parameters": {"type": "object"}}
    assert len(lines) == 4


def test_a_call_is_written_as_it_is_read() -> None:
    odd = json.dumps({"t": "</tool_call>", "u": '"}}{[<tool_call>', "v": [{"a": {}}, []]}, ensure_ascii=False)
    read = read_tool_calls("Well. " + written_call("f", odd) + written_call("g", "{}"))
    assert (read.content, read.problems) == ("Well.", [])
    assert [(call.name, call.arguments) for call in read.calls] == [("f", odd), ("g", "{}")]
