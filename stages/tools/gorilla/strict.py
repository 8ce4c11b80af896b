"""Strict matching of answers with APIs: the name must be the API's, and required arguments must have equal values.

Values are literals with their types: '3' is not 3, -5 is not 5. Strings may differ in case and outer white space alone.
A call that does not parse is a class of its own, not a hallucination.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from stages.formats.calls.scan import Brackets
from stages.formats.calls.scores import Hub
from stages.tools.gorilla.code import Argument, CodeCall, Opaque, calls_in, parse
from stages.tools.gorilla.published import MARK, PROVIDER

_OPENING = re.compile(r"[^\W\d][\w.]*(?=\()")
_ESCAPED_QUOTE = re.compile(r"\\+([\"'])")


class Strict(NamedTuple):
    """The APIs that an answer's code matches."""

    apis: tuple[int, ...]
    """Places of the APIs that one call of the answer matches: equal calls of a file, as a rule one."""
    problem: str = ""
    """Reason why there are none: `unparsed`, `unknown_name`, or what differs from the nearest API: `missing_argument`,
    `other_type`, `not_a_literal` or `other_value`."""


_NEARNESS = ("missing_argument", "other_value", "other_type", "not_a_literal")
"""What may differ from an API, the farthest first."""


class StrictMatcher:
    """Matches code with the APIs of one file."""

    def __init__(self, calls: Sequence[str], hub: Hub) -> None:
        """`calls` are the APIs' calls in the order of the file."""
        self._apis: dict[str, list[tuple[int, CodeCall]]] = defaultdict(list)
        for place, code in enumerate(calls):
            found = calls_in(parse(code.encode()))
            call = next((each for each in found if each.arguments or hub == "functions"), None)
            if call:
                required = tuple(each for at, each in enumerate(call.arguments) if _is_required(each, at, hub))
                self._apis[call.name].append((place, CodeCall(call.name, required)))

    def match(self, text: str) -> Strict:
        """Return the APIs of the first call of an answer that matches any."""
        calls = list(_calls_of(text))
        problems = []
        for call in calls:
            differences = [(place, _difference(api, call)) for place, api in self._apis.get(call.name, ())]
            matched = tuple(place for place, problem in differences if not problem)
            if matched:
                return Strict(matched)
            problems += [problem for _, problem in differences]
        if not calls:
            return Strict((), "unparsed")
        return Strict((), max(problems, key=_NEARNESS.index, default="unknown_name"))


def _is_required(argument: Argument, place: int, hub: Hub) -> bool:
    if hub == "torchhub":
        return argument.name in ("repo_or_dir", "model") or (not argument.name and place < 2)
    if hub == "functions":
        return bool(argument.value != argument.name)
    return hub == "huggingface" or argument.name in ("", "model")


def _calls_of(text: str) -> Iterator[CodeCall]:
    """Yield the whole calls between the marks of an answer; answers have quotes escaped, or not."""
    code = _ESCAPED_QUOTE.sub(r"\1", text.partition(MARK)[2].partition(PROVIDER)[0])
    for opening in _OPENING.finditer(code):
        brackets = Brackets()
        end = brackets.feed(code, opening.end())
        if end is not None and not brackets.problem:
            yield from list(calls_in(parse(code[opening.start() : end].encode("utf-8", "replace"))))[:1]


def _difference(api: CodeCall, call: CodeCall) -> str:
    """Return the difference of a call from an API; empty: there is none."""
    positional = [each.value for each in call.arguments if not each.name]
    named = {each.name: each.value for each in call.arguments if each.name}
    found = [
        _value_difference(wanted.value, named[wanted.name] if wanted.name in named else positional[place])
        if wanted.name in named or place < len(positional)
        else "missing_argument"
        for place, wanted in enumerate(api.arguments)
    ]
    return min(filter(None, found), key=_NEARNESS.index, default="")


def _value_difference(wanted: Any, value: Any) -> str:
    if isinstance(value, Opaque) and wanted != value:
        return "not_a_literal"
    if type(wanted) is not type(value):
        return "other_type"
    return "" if _plain(wanted) == _plain(value) else "other_value"


def _plain(value: Any) -> Any:
    """Return a value in which strings have neither case nor outer white space, and types show."""
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return type(value).__name__, value
