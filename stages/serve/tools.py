"""Tools in a conversation: how they are declared to the model, how a call is written, and how it is read as it grows.

    <tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>

The reader follows the JSON's own strings and brackets, so text within an argument never ends a call. It gives the same
pieces however the text is cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stages.serve.asked import Function

BEGIN, END = "<tool_call>", "</tool_call>"
HEAD = re.compile(r'<tool_call>\s*\{\s*"name"\s*:\s*"([a-zA-Z0-9_-]{1,64})"\s*,\s*"arguments"\s*:\s*(?=\{)')
"""A call up to its arguments."""
_LONGEST_HEAD = 256
"""Characters after which a text that began like a call is none."""
_ARGUMENTS, _NAME = ', "arguments": ', '{"name": '


def written_call(name: str, arguments: str) -> str:
    """Return a call as the model writes it."""
    return f"{head_of(name)}{arguments}{tail()}"


def head_of(name: str) -> str:
    """Return what stands before the arguments of a call."""
    return f"{BEGIN}{_NAME}{json.dumps(name)}{_ARGUMENTS}"


def tail() -> str:
    """Return what stands behind the arguments of a call."""
    return "}" + END


def declared(functions: Sequence[Function]) -> str:
    """Return the text that declares tools to the model."""
    lines = [
        json.dumps({"name": each.name, "description": each.description or "", "parameters": each.parameters or {}})
        for each in functions
    ]
    how = f"Call one with {written_call('NAME', '{...}')}."
    return "\n".join(["You have these tools, one a line:", *lines, how])


class Text(NamedTuple):
    """More text of an answer."""

    text: str


class CallBegin(NamedTuple):
    """A call begins; its arguments follow."""

    name: str


class Arguments(NamedTuple):
    """More of the arguments of the call that began last."""

    text: str


Piece = Text | CallBegin | Arguments


class CallReader:
    """Cuts a growing answer into text and calls."""

    def __init__(self, *, reads_calls: bool) -> None:
        """Without `reads_calls` all is text."""
        self._reads = reads_calls
        self._held = ""
        self._json: _Json | None = None
        """The arguments that are being read."""
        self._is_closing = False
        """Between the arguments of a call and its end."""

    def read(self, more: str, *, is_end: bool = False) -> Iterator[Piece]:
        """Yield what the next piece of the answer adds."""
        if not self._reads:
            if more:
                yield Text(more)
            return
        self._held += more
        before = None
        while before != (before := (self._held, self._json, self._is_closing)):
            yield from self._step(is_end)

    def _step(self, is_end: bool) -> Iterator[Piece]:
        if self._json is not None:
            yield from self._arguments(self._json)
        elif self._is_closing:
            self._close(is_end)
        else:
            yield from self._text(is_end)

    def _arguments(self, scanner: _Json) -> Iterator[Piece]:
        count = scanner.scan(self._held)
        if count:
            yield Arguments(self._held[:count])
        self._held = self._held[count:]
        if scanner.is_done:
            self._json, self._is_closing = None, True

    def _close(self, is_end: bool) -> None:
        """Skip the end of a call. What is none is text again."""
        wanted = re.match(r"\s*\}\s*</tool_call>", self._held)
        if wanted:
            self._held, self._is_closing = self._held[wanted.end() :], False
        elif is_end or not tail().startswith(re.sub(r"\s", "", self._held)):
            self._is_closing = False

    def _text(self, is_end: bool) -> Iterator[Piece]:
        place = self._held.find(BEGIN)
        keep = len(self._held) - place if place >= 0 else 0 if is_end else _begun(self._held, BEGIN)
        if text := self._held[: len(self._held) - keep]:
            yield Text(text)
            self._held = self._held[len(text) :]
        if place < 0:
            return
        if head := HEAD.match(self._held):
            yield CallBegin(head[1])
            self._held, self._json = self._held[head.end() :], _Json()
        elif is_end or len(self._held) > _LONGEST_HEAD:
            yield Text(self._held[: len(BEGIN)])
            self._held = self._held[len(BEGIN) :]


class _Json:
    """Finds the end of a JSON object that grows."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._is_escaped = False
        self.is_done = False

    def scan(self, text: str) -> int:
        """Return how many of the next characters belong to the object."""
        for place, letter in enumerate(text):
            if self._is_escaped:
                self._is_escaped = False
            elif self._in_string:
                self._is_escaped, self._in_string = letter == "\\", letter != '"'
            elif letter == '"':
                self._in_string = True
            else:
                self._depth += (letter in "{[") - (letter in "}]")
                if not self._depth:
                    self.is_done = True
                    return place + 1
        return len(text)


def _begun(text: str, mark: str) -> int:
    """Return how many letters at the end of a text may begin a mark."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-size:])), 0)
