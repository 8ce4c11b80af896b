"""Toolformer's notation of calls in a text: ` [Tool(arguments)]`, with its result ` [Tool(arguments) -> result]`.

arXiv:2302.04761, section 2: " [", "]" and "->" stand for <API>, </API> and the arrow. Reads also `→`, `-->`, and calls
at the start of a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from stages.formats.calls.literals import parse_literal
from stages.formats.calls.scan import MAX_DEPTH, Brackets
from stages.formats.chat.rejects import Reject

START, ARROW, STOP = " [", " -> ", "]"
_OPENING = re.compile(r"\[\s*([^\W\d][\w.-]*)\s*(?=\()")
_ARROW = re.compile(r"\s*(?:-+>|\u2192)\s*")
_ARROW_AT_END = re.compile(r"\s*(?:-+>|\u2192)\s*\Z")
_STOP = re.compile(r"\s*\]")
_RESULT_MARKS = re.compile(r"\\.|\[|\]", re.DOTALL)
_ESCAPED = re.compile(r"\\([\\\[\]])")
_SPECIAL = re.compile(r"[\\\[\]]")


class InlineCall(NamedTuple):
    """A call in a text."""

    tool: str
    arguments: str
    """The text between the brackets."""
    result: str | None
    """None: the call has no arrow."""
    start: int
    """Where the call begins in the text, the space before it included."""
    end: int
    """The place behind it."""

    @property
    def input(self) -> str:
        """The text that the tool gets: the value of an argument that is one string, else the arguments as written."""
        return input_of(self.arguments)


class BrokenCall(NamedTuple):
    """The beginning of a call that has no right end."""

    tool: str
    reason: str
    """`unclosed_string`, `unclosed_bracket`, `mismatched_bracket`, `too_deep`, `no_end` or `unclosed_result`."""
    start: int


def find_calls(text: str) -> Iterator[InlineCall | BrokenCall]:
    """Yield the calls of a text in order. A call within another one is part of that one's arguments."""
    at = 0
    while opening := _OPENING.search(text, at):
        found = _read(text, opening)
        yield found
        at = found.end if isinstance(found, InlineCall) else opening.end()


def _read(text: str, opening: re.Match[str]) -> InlineCall | BrokenCall:
    tool, start = opening[1], opening.start()
    brackets = Brackets()
    end = brackets.feed(text, opening.end())
    if end is None or brackets.problem:
        return BrokenCall(tool, brackets.lack, start)
    arguments = text[opening.end() + 1 : end - 1].strip()
    if stop := _STOP.match(text, end):
        return _placed(text, InlineCall(tool, arguments, None, start, stop.end()))
    arrow = _ARROW.match(text, end)
    if arrow is None:
        return BrokenCall(tool, "no_end", start)
    stop_at = _end_of_result(text, arrow.end())
    if stop_at is None:
        return BrokenCall(tool, "unclosed_result", start)
    result = _ESCAPED.sub(r"\1", text[arrow.end() : stop_at].strip())
    return _placed(text, InlineCall(tool, arguments, result, start, stop_at + 1))


def _placed(text: str, call: InlineCall) -> InlineCall:
    """Return the call with the space that belongs to it: the one before, else the one behind."""
    if text[call.start - 1 : call.start] == " ":
        return call._replace(start=call.start - 1)
    return call._replace(end=call.end + (text[call.end : call.end + 1] == " "))


def _end_of_result(text: str, start: int) -> int | None:
    depth = 0
    for mark in _RESULT_MARKS.finditer(text, start):
        if mark[0] == "]" and depth == 0:
            return mark.start()
        depth += (mark[0] == "[") - (mark[0] == "]")
        if depth > MAX_DEPTH:
            return None
    return None


def open_call(text: str) -> InlineCall | None:
    """Return the call whose arrow is the end of the text, and which therefore waits for its result; None: none does."""
    arrow = _ARROW_AT_END.search(text)
    for opening in _OPENING.finditer(text, 0, arrow.start()) if arrow else ():
        end = Brackets().feed(text, opening.end())
        if arrow and end == arrow.start():
            return InlineCall(opening[1], text[opening.end() + 1 : end - 1].strip(), None, opening.start(), len(text))
    return None


def input_of(arguments: str) -> str:
    """Return the text of an argument that is one string literal, else the arguments as they are."""
    if arguments[:1] in ("'", '"'):
        try:
            value = parse_literal(arguments)
        except Reject:
            return arguments
        return value if isinstance(value, str) else arguments
    return arguments


def write_call(tool: str, text: str, result: str | None = None) -> str:
    """Return a call without the space before it. It reads back the same, whatever the texts hold."""
    arguments = text if _is_plain(text) else json.dumps(text, ensure_ascii=False)
    shown = "" if result is None else ARROW + write_result(result)
    return f"[{tool}({arguments}){shown}{STOP}"


def _is_plain(text: str) -> bool:
    written = f"({text})"
    brackets = Brackets()
    is_whole = brackets.feed(written) == len(written) and not brackets.problem
    return is_whole and text == text.strip() and "\n" not in text and input_of(text) == text


def write_result(result: str) -> str:
    """Return a result as it stands behind the arrow: one line, in which brackets cannot end the call."""
    line = " ".join(result.split())
    is_plain = "\\" not in line and _end_of_result(line + STOP, 0) == len(line)
    return line if is_plain else _SPECIAL.sub(r"\\\g<0>", line)


def insert_call(text: str, place: int, call: str) -> str:
    """Return the text with a call before the character at `place`. `without_calls` gives the text back."""
    before, after = text[:place], text[place:]
    return f"{before} {call}{after}" if before and not before[-1].isspace() else f"{before}{call} {after}"


def without_calls(text: str) -> str:
    """Return the text without its whole calls, and without the space that belongs to each."""
    kept, at = [], 0
    for call in find_calls(text):
        if isinstance(call, InlineCall):
            kept.append(text[at : call.start])
            at = call.end
    return "".join([*kept, text[at:]])
