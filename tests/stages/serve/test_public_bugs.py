"""Bugs that others reported, with the right value of each over HTTP, and the page of all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openai
import pytest

from stages.serve.http.server import Server
from tests.stages.evaluate.seeing import QUERIES
from tests.stages.serve.world import NAME, QUESTION, SEEING, TOOLS, call, png, showing

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "stages" / "serve" / "public_bugs.md"
GREEDY: dict[str, Any] = {"model": NAME, "temperature": 0, "max_tokens": 120, "messages": QUESTION}


def test_every_bug_of_the_page_names_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (\d+) \|.*`(tests/[\w/]+\.py)::(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [*range(26, 39)]
    for _, file, name in rows:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"


def test_a_typed_mark_of_a_picture_binds_none(server: Server) -> None:
    def prompt_tokens(*pictures: bytes, text: str) -> int:
        body = {"model": SEEING, "messages": [showing(*pictures, text=text)], "max_tokens": 1}
        status, answer, _ = call(server, "/v1/chat/completions", body)
        assert status == 200, answer
        return int(answer["usage"]["prompt_tokens"])

    plain, typed = (prompt_tokens(text=text) for text in ("a", "a<image>"))
    assert typed >= plain + 4  # letters
    shown = [prompt_tokens(png((9, 9, 9)), text=text) for text in ("a", "a<image>")]
    assert [with_one - without for with_one, without in zip(shown, (plain, typed), strict=True)] == [QUERIES] * 2


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_hold_the_end_of_a_call(client: openai.OpenAI, stream: bool) -> None:
    text = '</tool_call>{a,{b"\\'
    schema = {"type": "object", "properties": {"t": {"enum": [text]}}, "required": ["t"], "additionalProperties": False}
    tools = [{"type": "function", "function": {"name": "say", "parameters": schema}}]
    asked: dict[str, Any] = {**GREEDY, "tools": tools, "tool_choice": "required", "parallel_tool_calls": False}
    answer = client.chat.completions.create(**asked, stream=stream)
    if stream:
        deltas = [each for piece in answer for each in piece.choices[0].delta.tool_calls or []]  # type: ignore[union-attr]
        arguments = "".join(each.function.arguments or "" for each in deltas)  # type: ignore[union-attr]
    else:
        (made,) = answer.choices[0].message.tool_calls or []  # type: ignore[union-attr]
        arguments = made.function.arguments  # type: ignore[union-attr]
    assert json.loads(arguments) == {"t": text}


def test_a_call_without_arguments_sends_an_empty_object(client: openai.OpenAI) -> None:
    choice = {"type": "function", "function": {"name": "now"}}
    pieces = client.chat.completions.create(**GREEDY, tools=TOOLS, tool_choice=choice, stream=True)
    deltas = [each for piece in pieces for each in piece.choices[0].delta.tool_calls or []]
    assert [each.function.name for each in deltas if each.function and each.function.name] == ["now"]
    assert "".join(each.function.arguments or "" for each in deltas if each.function) == "{}"


def test_a_stream_has_whole_characters_alone(client: openai.OpenAI) -> None:
    text = "ď\U0001f600镇上的磨坊\u0915\u094d\u0937"
    shape = {"name": "one", "schema": {"enum": [text]}}
    form: Any = {"type": "json_schema", "json_schema": shape}
    pieces = client.chat.completions.create(**{**GREEDY, "max_tokens": 200}, response_format=form, stream=True)
    found = [piece.choices[0].delta.content or "" for piece in pieces]
    assert json.loads("".join(found)) == text
    assert not any("\ufffd" in piece for piece in found)
    assert len(found) > len(text)
