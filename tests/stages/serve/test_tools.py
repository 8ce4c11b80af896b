"""Calls are read from growing text: the same pieces for every cut, and no text within an argument ends a call."""

from __future__ import annotations

import json

import pytest

from stages.serve.asked import Function
from stages.serve.tools import Arguments, CallBegin, CallReader, Piece, Text, declared, written_call

ODD = {"t": "</tool_call>", "u": '"}}{[<tool_call>{"name": "x"', "v": '\\" \n', "w": [{"a": {}}, []], "z": "ď😀中"}
ANSWERS = {
    "text alone": ("a < b <tool and more", [Text("a < b <tool and more")]),
    "a call with an odd argument": (
        written_call("f", json.dumps(ODD, ensure_ascii=False)),
        [CallBegin("f"), Arguments(json.dumps(ODD, ensure_ascii=False))],
    ),
    "text, a call without arguments, and another one": (
        "Well, " + written_call("now", "{}") + "\n" + written_call("g_1-x", '{"a,{b": 1}') + ".",
        [
            Text("Well, "),
            CallBegin("now"),
            Arguments("{}"),
            Text("\n"),
            CallBegin("g_1-x"),
            Arguments('{"a,{b": 1}'),
            Text("."),
        ],
    ),
    "spaces that another model writes": (
        '<tool_call>\n{"name" : "f",  "arguments":{"a": 1} }\n</tool_call>',
        [CallBegin("f"), Arguments('{"a": 1}')],
    ),
    "what only begins like a call": (
        '<tool_call>{"nome": "f"}</tool_call>',
        [Text('<tool_call>{"nome": "f"}</tool_call>')],
    ),
    "a call that is cut": (
        '<tool_call>{"name": "f", "arguments": {"a": "</tool_',
        [CallBegin("f"), Arguments('{"a": "</tool_')],
    ),
    "a call with another end": (
        '<tool_call>{"name": "f", "arguments": {}, "x": 1}</tool_call>',
        [CallBegin("f"), Arguments("{}"), Text(', "x": 1}</tool_call>')],
    ),
}


def pieces(parts: list[str], *, reads_calls: bool = True) -> list[Piece]:
    """Return what a reader makes of the parts of an answer; neighbours of one kind are joined."""
    reader, found = CallReader(reads_calls=reads_calls), list[Piece]()
    for place, part in enumerate(parts):
        for piece in reader.read(part, is_end=place == len(parts) - 1):
            last = found[-1] if found else None
            if isinstance(piece, (Text, Arguments)) and type(last) is type(piece):
                found[-1] = type(piece)(last.text + piece.text)  # type: ignore[union-attr]
            else:
                found.append(piece)
    return found


@pytest.mark.parametrize(("text", "wanted"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_gives_the_same_pieces_however_it_is_cut(text: str, wanted: list[Piece]) -> None:
    assert pieces([text]) == wanted
    assert pieces([*text, ""]) == wanted
    for place in range(len(text)):
        assert pieces([text[:place], text[place:]]) == wanted


def test_without_tools_all_is_text() -> None:
    text = written_call("f", "{}")
    assert pieces([*text], reads_calls=False) == [Text(text)]


def test_tools_are_declared_one_a_line() -> None:
    text = declared([Function(name="f", description="two\nlines"), Function(name="g", parameters={"type": "object"})])
    lines = text.splitlines()
    assert json.loads(lines[1])["description"] == "two\nlines"
    assert json.loads(lines[2]) == {"name": "g", "description": "", "parameters": {"type": "object"}}
    assert len(lines) == 4
