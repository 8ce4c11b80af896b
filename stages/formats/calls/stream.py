"""Reads the tool calls of a text that grows: content, and calls whose arguments come in pieces.

The events of a text, its pieces joined, are the same however the text was cut. A mark within a JSON string is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stages.formats.calls.scan import Brackets
from stages.formats.calls.tool_calls import CLOSE, OPEN, ToolCall, call_of, parse_object
from stages.formats.chat.rejects import Reject


class Content(NamedTuple):
    """A piece of the text outside of calls."""

    text: str


class Begun(NamedTuple):
    """A call whose function is known. `number` counts the calls of the text from 0."""

    number: int
    name: str


class Piece(NamedTuple):
    """The next piece of a call's arguments."""

    number: int
    text: str


class Ended(NamedTuple):
    """The end of a call. Where the call could not be begun it is the call's only event."""

    number: int
    problem: str = ""
    """Reason why the call cannot be used: `unclosed_string`, `unclosed_bracket`, `mismatched_bracket`, `too_deep`,
    `not_json` or `bad_name`. Empty: its arguments are a JSON object."""


Event = Content | Begun | Piece | Ended
_HEAD = re.compile(r'\{\s*"name"\s*:\s*"([a-zA-Z0-9_-]{1,64})"\s*,\s*"arguments"\s*:\s*(?=\{)')
"""The usual beginning of a call: its arguments are passed on as they come. Other calls are read at their end."""
_BEFORE_CALL = re.compile(r"\s*" + re.escape(OPEN) + r"\s*(?=\{)")
_AFTER_CALL = re.compile(r"\s*" + re.escape(CLOSE))


@dataclass
class _Call:
    """A call under way. Places are those of the text from the call's first bracket on."""

    number: int
    object: Brackets = field(default_factory=Brackets)
    arguments: Brackets = field(default_factory=Brackets)
    seen: int = 0
    """Characters that were fed."""
    name: str | None = None
    first: int = 0
    """Place of the arguments."""
    sent: int = 0
    """Place behind what was passed on."""
    last: int | None = None
    """Place behind the arguments."""

    def events(self, text: str) -> Iterator[Event]:
        """Yield the events of the call's text so far, without its end."""
        if self.name is None and (head := _HEAD.match(text)):
            self.name = head[1]
            self.first = self.sent = head.end()
            yield Begun(self.number, self.name)
        if self.name is not None and self.last is None:
            self.last = self.arguments.feed(text, max(self.first, self.seen))
            end = len(text) if self.last is None else self.last
            if end > self.sent:
                yield Piece(self.number, text[self.sent : end])
            self.sent = end

    def ending(self, text: str) -> Iterator[Event]:
        """Yield the events of a call whose object is whole."""
        try:
            if self.name is None:
                call = call_of(text)
                yield Begun(self.number, call.name)
                yield Piece(self.number, call.arguments)
            else:
                parse_object(text[self.first : self.last])
                parse_object(text)
        except Reject as reject:
            yield Ended(self.number, reject.reason)
        else:
            yield Ended(self.number)


class CallStream:
    """Reads one text: feed its pieces, then finish."""

    def __init__(self) -> None:
        self._rest = ""
        """Text that has brought no event yet; in a call the text from its first bracket on."""
        self._calls = 0
        self._call: _Call | None = None
        self._is_behind = False
        """Whether a call has just ended, so that its closing mark may follow."""

    def feed(self, text: str) -> list[Event]:
        """Return the events that a piece brings."""
        self._rest += text
        events: list[Event] = []
        while (found := self._next()) is not None:
            events += found
        return events

    def finish(self) -> list[Event]:
        """Return the events at the end of the text: what was held back, or the end of a call that was cut."""
        rest, self._rest = self._rest, ""
        if self._call:
            return [Ended(self._call.number, self._call.object.lack)]
        is_mark = self._is_behind and CLOSE.startswith(rest.strip())
        return [Content(rest)] if rest and not is_mark and not (self._calls and rest.isspace()) else []

    def _next(self) -> list[Event] | None:
        """Return the next events; None: they need more text."""
        if self._call:
            return self._in_call(self._call)
        if self._is_behind:
            return self._behind_call()
        if begin := _BEFORE_CALL.search(self._rest):
            content, self._rest = self._rest[: begin.start()], self._rest[begin.end() :]
            self._call = _Call(self._calls)
            self._calls += 1
            return [Content(content)] if content else []
        held = _held(self._rest)
        content, self._rest = self._rest[:held], self._rest[held:]
        return [Content(content)] if content else None

    def _in_call(self, call: _Call) -> list[Event] | None:
        if call.seen == len(self._rest):
            return None
        end = call.object.feed(self._rest, call.seen)
        text = self._rest[:end]
        events = list(call.events(text))
        call.seen = len(text)
        if end is None:
            return events
        events += [Ended(call.number, call.object.problem)] if call.object.problem else call.ending(text)
        self._call, self._is_behind, self._rest = None, True, self._rest[end:]
        return events

    def _behind_call(self) -> list[Event] | None:
        """Skip the closing mark, if there is one."""
        mark = _AFTER_CALL.match(self._rest)
        if mark is None and CLOSE.startswith(self._rest.lstrip()):
            return None
        self._is_behind, self._rest = False, self._rest[mark.end() if mark else 0 :]
        return []


def _held(text: str) -> int:
    """Return the place from which the text could be the beginning of a call's opening mark."""
    bare = text.rstrip()
    if bare.endswith(OPEN):
        return len(bare.removesuffix(OPEN).rstrip())
    size = next((size for size in range(min(len(OPEN), len(text)), 0, -1) if text.endswith(OPEN[:size])), 0)
    return len(text[: len(text) - size].rstrip())


@dataclass(frozen=True)
class Read:
    """A whole text: its content, its calls, and the reasons of calls that cannot be used."""

    content: str
    calls: list[ToolCall]
    problems: list[str]


def read_tool_calls(text: str) -> Read:
    """Return the content and the calls of a text."""
    stream = CallStream()
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    content, problems = "", {}
    for event in [*stream.feed(text), *stream.finish()]:
        if isinstance(event, Content):
            content += event.text
        elif isinstance(event, Begun):
            names[event.number] = event.name
        elif isinstance(event, Piece):
            arguments[event.number] = arguments.get(event.number, "") + event.text
        elif event.problem:
            problems[event.number] = event.problem
    calls = [ToolCall(name, arguments[number]) for number, name in names.items() if number not in problems]
    return Read(content, calls, list(problems.values()))
