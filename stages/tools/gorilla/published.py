"""Gorilla's AST sub-tree matching as it was published, with its quirks (arXiv:2305.15334; the three scorers of its
repository, one a hub).

An API matches if a sub-tree has its name, and the values of its required arguments stand in the text of that sub-tree.
The quirks, which the published numbers depend on:

- Where no sub-tree has the name, the last sub-tree is compared all the same.
- A value is looked for as a part of the text: `bert` matches `bert-base-cased`. The first API of the file wins.
- Required are, of Torch Hub, the arguments whose text has `repo_or_dir` or `model`; of TensorFlow Hub `model=` and
  positional ones; of Hugging Face all, and `=` anywhere in an argument makes it a named one.
- An answer without `api_call` counts, of Torch Hub, neither as correct nor as hallucination.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tree_sitter import Node

from stages.formats.calls.scores import Hub
from stages.tools.gorilla.code import parse, text_of

MARK, PROVIDER = "api_call", "api_provider"


class Match(NamedTuple):
    """The API that an answer's code matches."""

    api: int
    """Its place in the file; -1: none matches."""
    is_named: bool = False
    """Whether the code has a sub-tree of the API's name."""


def answered_code(text: str, hub: Hub) -> str | None:
    """Return the code of an answer; None: it has no `api_call`, and its hub wants one."""
    pieces = text.split(MARK)
    if len(pieces) == 1:
        return None if hub == "torchhub" else text
    inner = pieces[1].split(PROVIDER)[0]
    start = max(inner.find(":"), 0)
    end = inner.rfind(")") + 1 if ")" in inner else -1
    return inner[start + 2 : end]


class PublishedMatcher:
    """Matches code with the APIs of one file."""

    def __init__(self, calls: Sequence[str], hub: Hub) -> None:
        """`calls` are the APIs' calls in the order of the file."""
        self._apis = [(place, *found) for place, call in enumerate(calls) if (found := _required(call, hub))]
        self._sizes = {len(name) for _, name, _ in self._apis}

    def match(self, code: str) -> Match:
        """Return the first API that the code matches."""
        texts, last = _sub_trees(code.encode("utf-8", "replace"), self._sizes)
        for place, name, values in self._apis:
            text = texts.get(name, last)
            for value in values:
                if value not in text:
                    break
            else:
                return Match(place, name in texts)
        return Match(-1)


def _required(call: str, hub: Hub) -> tuple[bytes, tuple[bytes, ...]] | None:
    """Return the name of an API's call and the values that code must have; None for a call that matches nothing."""
    expression = parse(call.encode()).children[0].children[0]
    if len(expression.children) < 2:
        return None
    values = [_required_value(child, hub) for child in expression.children[1].children]
    found = tuple(value.lstrip("'").rstrip("'").encode() for value in values if value is not None)
    return (text_of(expression.children[0]).encode(), found) if found else None


def _required_value(argument: Node, hub: Hub) -> str | None:
    text = text_of(argument)
    if hub == "torchhub":
        return _third(argument) if "repo_or_dir" in text or "model" in text else None
    if ("=" in text) if hub == "huggingface" else ("model=" in text or "model =" in text):
        return _third(argument)
    return None if text in ("(", ")", ",") else text


def _third(argument: Node) -> str:
    """Return the value of a named argument, as its third child; of other code the text of that child."""
    children = argument.children
    return text_of(children[2]) if len(children) > 2 else text_of(argument)


def _sub_trees(code: bytes, sizes: Collection[int]) -> tuple[dict[bytes, bytes], bytes]:
    """Return the text of the first sub-tree of each name, a name being its first child's text, and of the last one.

    The order is that of the published walk: the last child first. Names of other sizes are left out.
    """
    texts: dict[bytes, bytes] = {}
    node = parse(code)
    todo = [node]
    while todo:
        node = todo.pop()
        children = node.children
        if children:
            first, last = children[0].start_byte, children[0].end_byte
            if last - first in sizes:
                texts.setdefault(code[first:last], code[node.start_byte : node.end_byte])
            todo += [child for child in children if child.child_count]
    return texts, code[node.start_byte : node.end_byte]
