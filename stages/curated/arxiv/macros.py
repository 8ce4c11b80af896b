"""Macros of a LaTeX file without arguments, expanded where they are used, within bounds (LLaMA; RedPajama's rule).

Only a macro whose body is plain text of LaTeX is expanded: no arguments, no definitions, no conditionals in it. A macro
that leads to itself is left as it is, and so is the rest of a paper that grows beyond its limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

DEFINITION = re.compile(
    r"\\(?:(?P<new>(?:re)?newcommand|providecommand|DeclareRobustCommand)\*?[ \t]*"
    r"(?:\{[ \t]*(?P<braced>\\[A-Za-z@]+)[ \t]*\}|(?P<bare>\\[A-Za-z@]+))[ \t]*"
    r"(?P<options>(?:\[[^\[\]\n]{0,100}\]){0,2})[ \t]*"
    r"|def[ \t]*(?P<plain>\\[A-Za-z@]+)(?P<parameters>[^\\{}\n]{0,100}))(?=\{)"
)
CONTROL = re.compile(r"\\[A-Za-z@]+")
UNSAFE = re.compile(r"#|\\(?:def|edef|gdef|let|newcommand|renewcommand|if[a-z]*|else|fi|expandafter|csname|catcode|@)")
MAX_BODY = 2_000
"""Characters of a macro's body."""
MAX_DEPTH = 8
"""Macros within macros."""


class Expanded(NamedTuple):
    """A text with its macros expanded."""

    text: str
    is_whole: bool
    """Whether no limit was reached."""


def body_end(text: str, start: int, limit: int = MAX_BODY) -> int | None:
    """Return the place after the group that opens at `start`; None if it does not close within `limit` characters."""
    depth, at = 0, start
    stop = min(len(text), start + limit)
    while at < stop:
        mark = text[at]
        if mark == "\\":
            at += 2
            continue
        depth += (mark == "{") - (mark == "}")
        at += 1
        if depth == 0:
            return at
    return None


def without_definitions(text: str) -> tuple[str, dict[str, str]]:
    """Return a text without the definitions of macros that can be expanded, with their bodies by name."""
    macros: dict[str, str] = {}
    pieces: list[str] = []
    at = 0
    for found in DEFINITION.finditer(text):
        if found.start() < at:
            continue
        end = body_end(text, found.end())
        name = found["braced"] or found["bare"] or found["plain"]
        has_arguments = bool(found["options"] or (found["parameters"] or "").strip())
        if end is None or has_arguments:
            continue
        body = text[found.end() + 1 : end - 1]
        if UNSAFE.search(body):
            continue
        pieces.append(text[at : found.start()])
        macros[name] = body
        at = end
    return "".join([*pieces, text[at:]]), macros


def expand(text: str, macros: Mapping[str, str], max_expansions: int, max_chars: int) -> Expanded:
    """Return a text in which the macros are replaced; each body is expanded once, before it is used."""
    bodies = _flat(macros)
    left, size = max_expansions, len(text)
    is_whole = True

    def replace(found: re.Match[str]) -> str:
        nonlocal left, size, is_whole
        body = bodies.get(found[0])
        if body is None:
            return found[0]
        size += len(body)
        left -= 1
        if left < 0 or size > max_chars:
            is_whole = False
            return found[0]
        return body + (
            " " if body[-1:].isalpha() and body.startswith("\\") and text[found.end() :][:1].isalpha() else ""
        )

    return Expanded(CONTROL.sub(replace, text) if bodies else text, is_whole)


def _flat(macros: Mapping[str, str]) -> dict[str, str]:
    """Return the bodies with the macros in them replaced, without those that lead to themselves or grow too large."""
    flat = dict(macros)
    for _ in range(MAX_DEPTH):
        before = flat
        flat = {name: _once(name, body, before) for name, body in before.items() if len(body) <= 10 * MAX_BODY}
        if flat == before:
            break
    return {
        name: body
        for name, body in flat.items()
        if not any(mark in macros for mark in CONTROL.findall(body)) and len(body) <= 10 * MAX_BODY
    }


def _once(name: str, body: str, bodies: Mapping[str, str]) -> str:
    """Return a body with the macros in it replaced once, until it is too large."""
    size = len(body)

    def replace(found: re.Match[str]) -> str:
        nonlocal size
        inner = bodies.get(found[0])
        if inner is None or found[0] == name or size > 10 * MAX_BODY:
            return found[0]
        size += len(inner)
        return inner

    return CONTROL.sub(replace, body)
