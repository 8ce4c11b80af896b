"""Code of answers as syntax trees: tree-sitter's, which are whole even where the code is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tree_sitter_python
from tree_sitter import Language, Node, Parser

from stages.formats.calls.literals import parse_literal
from stages.formats.chat.rejects import Reject

LANGUAGE = Language(tree_sitter_python.language())
_PUNCTUATION = ("(", ")", ",")


def parse(code: bytes) -> Node:
    """Return the root of the tree of code in UTF-8."""
    return Parser(LANGUAGE).parse(code).root_node


def text_of(node: Node) -> str:
    """Return the code of a node."""
    return (node.text or b"").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Opaque:
    """An argument that is no literal, as it is written."""

    code: str


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call."""

    name: str
    """Empty: a positional one."""
    value: Any
    """A literal's value, or Opaque."""


@dataclass(frozen=True, slots=True)
class CodeCall:
    """A call in code."""

    name: str
    """The code before the bracket, such as `torch.hub.load`."""
    arguments: tuple[Argument, ...]


def calls_in(root: Node) -> Iterator[CodeCall]:
    """Yield the calls of a tree that have no syntax error, outer ones first."""
    todo = [root]
    while todo:
        node = todo.pop()
        if node.type == "call" and len(node.children) == 2 and not node.has_error:
            function, arguments = node.children
            yield CodeCall("".join(text_of(function).split()), tuple(_arguments(arguments)))
        todo.extend(reversed(node.children))


def _arguments(node: Node) -> Iterator[Argument]:
    for child in node.children:
        if child.type == "keyword_argument":
            yield Argument(text_of(child.children[0]), _value(child.children[-1]))
        elif child.type not in (*_PUNCTUATION, "comment"):
            yield Argument("", _value(child))


def _value(node: Node) -> Any:
    try:
        return parse_literal(text_of(node))
    except Reject:
        return Opaque(text_of(node))
