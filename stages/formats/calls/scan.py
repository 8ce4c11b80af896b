"""The scanner of calls: follows strings, escapes and nested brackets to the bracket that ends a call.

Both notations of calls (inline.py, tool_calls.py), matching, decoding and serving use it, so they agree where a call
ends. A text may come whole or in pieces.
"""

from __future__ import annotations

import re

CLOSING = {"(": ")", "[": "]", "{": "}"}
MAX_DEPTH = 100
"""Deepest nesting of brackets that is followed. It bounds the time that a hostile text takes."""
_OUTSIDE = re.compile(r"[\\\"'()\[\]{}]")
_INSIDE = {quote: re.compile(rf"[\\{quote}]") for quote in "\"'"}
_BEFORE_STRING = re.compile(r"(?:^|[(\[{,=:+%<>|&!*/;\"'])\s?(?:[rbuf]{1,2})?$", re.IGNORECASE)
"""The text before a quote that opens a string, which stands where a value can start. Others are apostrophes."""
_TAIL = 4
"""Characters that _BEFORE_STRING looks at."""


class Brackets:
    """Follows a text from an opening bracket to the bracket that closes it.

    A backslash takes the meaning of the next character away, in a string and outside of one.
    """

    def __init__(self) -> None:
        self._awaited: list[str] = []
        self._quote = ""
        self._is_escaped = False
        self._tail = ""
        self.problem = ""
        """Reason why no end can come: `mismatched_bracket` or `too_deep`."""

    @property
    def lack(self) -> str:
        """Reason why there is no end yet: `problem`, else `unclosed_string` or `unclosed_bracket`."""
        return self.problem or ("unclosed_string" if self._quote else "unclosed_bracket")

    def feed(self, text: str, start: int = 0) -> int | None:
        """Return the place behind the closing bracket, or behind the one that is a `problem`; None: there is neither.

        The first character at all is the opening bracket. After an end or a problem there is nothing more to feed.
        """
        at = start
        if self._is_escaped and at < len(text):
            self._is_escaped, at = False, at + 1
        while at < len(text):
            mark = (_INSIDE[self._quote] if self._quote else _OUTSIDE).search(text, at)
            if not self._quote:
                self._note(text[at : mark.start() if mark else len(text)])
            if mark is None:
                return None
            at = mark.end()
            if mark[0] == "\\":
                self._is_escaped = at == len(text)
                at += 1
            elif self._stops(mark[0]):
                return at
        return None

    def _note(self, text: str) -> None:
        """Keep the last characters outside of strings, a run of white space as one space."""
        whole = self._tail + text
        bare = whole.rstrip()
        self._tail = bare[-_TAIL:] + (" " if len(bare) < len(whole) else "")

    def _stops(self, mark: str) -> bool:
        """Take a quote or a bracket; return whether it closes the first bracket, or is a problem."""
        if mark == self._quote:
            self._quote = ""
        elif mark in _INSIDE:
            if _BEFORE_STRING.search(self._tail):
                self._quote = mark
        elif mark in CLOSING:
            self._awaited.append(CLOSING[mark])
            if len(self._awaited) > MAX_DEPTH:
                self.problem = "too_deep"
        elif not self._awaited or self._awaited.pop() != mark:
            self.problem = "mismatched_bracket"
        self._note(mark)
        return not self._awaited or bool(self.problem)
