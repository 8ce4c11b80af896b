from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from stages.formats.calls.stream import Begun, CallStream, Content, Ended, Event, Piece, read_tool_calls
from stages.formats.calls.tool_calls import ToolCall, write_calls

TWO = (
    'Hi  <tool_call>\n{"name": "f", "arguments": {"t": "</tool_call>", "b": [1, {"c": "}"}]}}\n</tool_call>\n'
    '<tool_call>{"name":"g","arguments":{}}</tool_call>'
)
TEXTS = [
    TWO,
    TWO + " bye <tool_c",
    '<tool_call>{"arguments": {"x":1}, "name":"f"}</tool_call>',
    '<tool_call>{"name":"f","arguments":"{\\"x\\": 1}"}</tool_call>',
    "a < b <tool_call> no <tool_call>",
    '<tool_call>{"name":"f","arguments":{"a":1',
    '<tool_call>{"name":"f","arguments":{"a":"</tool_call>',
    '<tool_call>{"name":"f","arguments":{"a":]}} rest',
    '<tool_call>{"name":"f"}{"name":"f"}',
    '<tool_call>{"name":"f","arguments":{}}</tool_',
    '<tool_call>{"name":"f","arguments":{\'a\':1}}</tool_call>',
    '<tool_call>{"name":"f g","arguments":{}}</tool_call>',
    '<tool_call>{"name":"f","arguments":[1]}</tool_call>',
    '<tool_call>{"name":"f","arguments":{},"name":"g"}</tool_call>',
    "  hello \n",
    "",
]


def joined(events: Iterable[Event]) -> list[Event]:
    """Return the events with neighbouring pieces as one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, Content) and isinstance(last, Content):
            found[-1] = Content(last.text + event.text)
        elif isinstance(event, Piece) and isinstance(last, Piece):
            found[-1] = Piece(event.number, last.text + event.text)
        else:
            found.append(event)
    return found


def events_of(pieces: Iterable[str]) -> list[Event]:
    stream = CallStream()
    return joined([event for piece in pieces for event in stream.feed(piece)] + stream.finish())


@pytest.mark.parametrize("text", TEXTS)
def test_the_events_are_the_same_for_every_cut(text: str) -> None:
    whole = events_of([text])
    assert events_of(text) == whole  # a character at a time
    draw = random.Random(1)
    for _ in range(20):
        cuts = sorted(draw.sample(range(len(text) + 1), min(4, len(text))))
        assert events_of(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)) == whole


def test_calls_and_content_of_a_text() -> None:
    assert events_of([TWO]) == [
        Content("Hi"),
        Begun(0, "f"),
        Piece(0, '{"t": "</tool_call>", "b": [1, {"c": "}"}]}'),
        Ended(0),
        Begun(1, "g"),
        Piece(1, "{}"),
        Ended(1),
    ]
    read = read_tool_calls(TWO)
    assert read.content == "Hi"
    assert [call.name for call in read.calls] == ["f", "g"]
    assert read_tool_calls(write_calls(read.calls)).calls == read.calls


def test_arguments_are_passed_on_before_the_call_ends() -> None:
    stream = CallStream()
    assert stream.feed('<tool_call>{"name": "f", "arguments": {"a": "lo') == [Begun(0, "f"), Piece(0, '{"a": "lo')]
    assert stream.feed("ng") == [Piece(0, "ng")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<tool_call>{"name":"f","arguments":{"a":1', "unclosed_bracket"),
        ('<tool_call>{"name":"f","arguments":{"a":"</tool_call>', "unclosed_string"),
        ('<tool_call>{"name":"f","arguments":{"a":]}}', "mismatched_bracket"),
        ("<tool_call>{'name':'f'}", "not_json"),
        ('<tool_call>{"name":"f","arguments":{"a":1,}}', "not_json"),
        ('<tool_call>{"name":"f g","arguments":{}}', "bad_name"),
        ('<tool_call>{"arguments":{}}', "bad_name"),
    ],
)
def test_a_call_that_cannot_be_used_has_a_reason(text: str, problem: str) -> None:
    read = read_tool_calls(text)
    assert (read.calls, read.problems) == ([], [problem])


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert read_tool_calls('<tool_call>{"name": "now"}</tool_call>').calls == [ToolCall("now", "{}")]


def test_a_mark_without_a_call_is_text() -> None:
    text = "The mark <tool_call> begins a call, </tool_call> ends it."
    assert read_tool_calls(text).content == text
