"""Trees of replies, as OASST publishes them: whole, or as flat messages that name their parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import Turn, role_of, text_of

MAX_DEPTH = 200
"""Turns of a conversation; OASST's longest has 12."""
Node = Mapping[str, Any]


def trees(records: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Yield whole trees and rejects as they are, then the trees of flat messages."""
    flat = []
    for number, record in records:
        if _is_flat(record):
            flat.append((number, record))
        else:
            yield number, record
    yield from grown(flat)


def _is_flat(record: Any) -> bool:
    """Return whether a record is a message of OASST that names its parent, or none."""
    if not isinstance(record, dict) or "replies" in record or not isinstance(record.get("message_id"), str):
        return False
    return record.get("parent_id") is None or isinstance(record["parent_id"], str)


def grown(messages: Iterable[tuple[int, Node]]) -> Iterator[tuple[int, Node | Reject]]:
    """Yield the trees of flat messages, with the number of the record of each root, in order of these.

    A message that lacks an ancestor is a Reject of its own. Ids are texts.
    """
    nodes: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, node in messages:
        if node["message_id"] in nodes:
            yield number, Reject("same_id", node["message_id"])
        else:
            nodes[node["message_id"]] = (number, {**node, "replies": []})
    for _, node in nodes.values():
        if node.get("parent_id") in nodes:
            nodes[node["parent_id"]][1]["replies"].append(node)
    roots = [node for _, node in nodes.values() if node.get("parent_id") is None]
    reached: set[str] = set()
    while roots:
        node = roots.pop()
        reached.add(node["message_id"])
        roots += node["replies"]
    for name, (number, node) in nodes.items():
        if name not in reached:
            yield number, Reject("parent_is_missing", f"{name} replies to {node.get('parent_id')}")
        elif node.get("parent_id") is None:
            yield number, node


def turn_of(node: Node) -> Turn:
    """Return a message as a turn. Raises Reject for a role or a text that is none."""
    return Turn(role_of(node.get("role")), text_of(node.get("text"), "text"))


def is_good(node: Node) -> bool:
    """Return whether a message is neither deleted nor rejected in review."""
    return not node.get("deleted") and node.get("review_result") is not False
