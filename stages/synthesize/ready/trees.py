"""Conversations of OASST: trees of replies, as whole trees or as flat messages that name their parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stages.formats.chat.rejects import Reject
from stages.synthesize.config import Threads
from stages.synthesize.ready.turns import Turn, role_of, text_of

MAX_DEPTH = 200
"""Turns of a conversation; OASST's longest has 12."""
Node = Mapping[str, Any]


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


def threads(root: Node, choice: Threads) -> Iterator[list[Turn]]:
    """Yield the conversations of a tree: the best one, or one for each last reply. Raises Reject.

    The best one takes the reply of the best rank each time; replies that are deleted or were rejected in review are in
    none.
    """
    if not _is_good(root):
        raise Reject("rejected_in_review", text_of(root.get("text"), "text"))
    paths = [(root, [_turn(root)])]
    while paths:
        node, turns = paths.pop()
        replies = sorted(filter(_is_good, node.get("replies") or ()), key=_rank)
        if len(turns) > MAX_DEPTH:
            raise Reject("too_deep", turns[0].text)
        if not replies:
            yield turns
        for reply in reversed(replies[:1] if choice == "best" else replies):
            paths.append((reply, [*turns, _turn(reply)]))


def _turn(node: Node) -> Turn:
    return Turn(role_of(node.get("role")), text_of(node.get("text"), "text"))


def _is_good(node: Node) -> bool:
    return not node.get("deleted") and node.get("review_result") is not False


def _rank(node: Node) -> float:
    rank = node.get("rank")
    return float("inf") if rank is None else float(rank)
