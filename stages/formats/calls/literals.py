"""Literals that a model writes: numbers, strings, lists, tuples, dictionaries, and the names of truth and nothing.

Reads Python's and JSON's spelling. Nothing is evaluated: a name, a call, an operator or an unpacking is refused with a
reason. Values are those of JSON; a tuple becomes a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from stages.formats.calls.scan import MAX_DEPTH
from stages.formats.chat.rejects import Reject

MAX_DIGITS = 400
"""Most characters of a number."""
_NAMES = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*)?\.?\d[\d_]*\.?(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d*(?:_\d+)*)")
_STRING = re.compile(r"([rRuU]?)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "a": "\a", "\n": ""}
_SAME = "\\'\"/"
"""Escaped characters that stand for themselves."""
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")


@dataclass(frozen=True)
class Arguments:
    """Arguments of a call as they were written."""

    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)


def parse_literal(text: str) -> Any:
    """Return the value of a text that is one literal. Raises Reject(`not_a_literal`, why) for any other text."""
    reader = _Reader(text)
    value = reader.value(0)
    if reader.peek():
        raise reader.refused("text after the value")
    return value


def parse_arguments(text: str) -> Arguments:
    """Return the arguments that stand between the brackets of a call. Raises Reject(`not_a_literal`, why)."""
    reader = _Reader(text)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    while reader.peek():
        name = reader.keyword()
        if name in named:
            raise reader.refused(f"{name} is given twice")
        if name:
            named[name] = reader.value(0)
        elif named:
            raise reader.refused("a positional argument after a named one")
        else:
            positional.append(reader.value(0))
        if reader.peek() and not reader.takes(","):
            raise reader.refused("no comma between arguments")
    return Arguments(tuple(positional), named)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def refused(self, why: str) -> Reject:
        shown = self._text[self._at : self._at + 40]
        return Reject("not_a_literal", f"{why} at {self._at}: {shown!r}" if shown else f"{why} at the end")

    def peek(self) -> str:
        """Skip white space; return the next character, "" at the end."""
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def takes(self, mark: str) -> bool:
        """Skip the mark if it comes next; return whether it does."""
        found = self.peek() == mark
        self._at += found
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found

    def keyword(self) -> str:
        """Skip `name =`; return the name, "" if there is none."""
        start = self._at
        found = self._match(_NAME)
        if found and self.takes("=") and self.peek() != "=":
            return found[0]
        self._at = start
        return ""

    def value(self, depth: int) -> Any:
        mark = self.peek()
        if depth > MAX_DEPTH:
            raise self.refused(f"more than {MAX_DEPTH} brackets")
        if mark and mark in "[(":
            return self._items(depth)
        if mark == "{":
            return self._pairs(depth)
        if _STRING.match(self._text, self._at):
            return self._string()
        if mark and (mark in "+-." or mark.isdecimal()):
            return self._number()
        return self._constant()

    def _items(self, depth: int) -> Any:
        is_tuple = self._text[self._at] == "("
        closing = ")" if is_tuple else "]"
        self._at += 1
        items: list[Any] = []
        has_comma = False
        while not self.takes(closing):
            if items and not has_comma:
                raise self.refused("no comma between items")
            items.append(self.value(depth + 1))
            has_comma = self.takes(",")
        return items[0] if is_tuple and len(items) == 1 and not has_comma else items

    def _pairs(self, depth: int) -> dict[str, Any]:
        self._at += 1
        pairs: dict[str, Any] = {}
        has_comma = True
        while not self.takes("}"):
            if not has_comma:
                raise self.refused("no comma between pairs")
            if not (self.peek() and _STRING.match(self._text, self._at)):
                raise self.refused("a key that is no string")
            key = self._string()
            if key in pairs:
                raise self.refused(f"the key {key!r} twice")
            if not self.takes(":"):
                raise self.refused("no colon after a key")
            pairs[key] = self.value(depth + 1)
            has_comma = self.takes(",")
        return pairs

    def _string(self) -> str:
        """Return a string, or several in a row as one, as Python has them."""
        parts = []
        while self.peek() and (found := self._match(_STRING)):
            body = found[2][1:-1]
            parts.append(body if found[1] in ("r", "R") else _ESCAPE.sub(_unescaped, body))
        return _PAIR.sub(_joined, "".join(parts))

    def _number(self) -> int | float:
        found = self._match(_NUMBER)
        after = self._text[self._at : self._at + 1]
        if found is None or after.isalnum() or after == "_":
            raise self.refused("no number that can be read")
        if len(found[0]) > MAX_DIGITS:
            raise self.refused(f"a number of more than {MAX_DIGITS} characters")
        if _INTEGER.fullmatch(found[0]):
            return int(found[0])
        if not re.search(r"[.eE]", found[0]):
            raise self.refused(f"{found[0]} is no number")
        try:
            number = float(found[0])
        except ValueError as error:
            raise self.refused(f"{found[0]} is no number") from error
        if abs(number) == float("inf"):
            raise self.refused(f"{found[0]} is too large")
        return number

    def _constant(self) -> Any:
        start = self._at
        found = self._match(_NAME)
        if found and found[0] in _NAMES and self.peek() not in ("(", ".", "["):
            return _NAMES[found[0]]
        self._at = start
        raise self.refused("neither a number, a string, a list, a dictionary, True, False nor None")


def _unescaped(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if digits:
        code = int(digits, 16)
        return chr(code) if code <= 0x10FFFF else found[0]
    character = found[4]
    return character if character in _SAME else _ESCAPED.get(character, found[0])


def _joined(found: re.Match[str]) -> str:
    """Return the character of a surrogate pair, which JSON writes as two escapes."""
    return found[0].encode("utf-16", "surrogatepass").decode("utf-16")
