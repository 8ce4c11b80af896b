"""Conversations of a tree of OASST."""

from __future__ import annotations

from collections.abc import Iterator

from stages.formats.chat.rejects import Reject
from stages.formats.published.trees import MAX_DEPTH, Node, is_good, turn_of
from stages.formats.published.turns import Turn, text_of
from stages.synthesize.config import Threads


def threads(root: Node, choice: Threads) -> Iterator[list[Turn]]:
    """Yield the conversations of a tree: the best one, or one for each last reply. Raises Reject.

    The best one takes the reply of the best rank each time; replies that are deleted or were rejected in review are in
    none.
    """
    if not is_good(root):
        raise Reject("rejected_in_review", text_of(root.get("text"), "text"))
    paths = [(root, [turn_of(root)])]
    while paths:
        node, turns = paths.pop()
        replies = sorted(filter(is_good, node.get("replies") or ()), key=_rank)
        if len(turns) > MAX_DEPTH:
            raise Reject("too_deep", turns[0].text)
        if not replies:
            yield turns
        for reply in reversed(replies[:1] if choice == "best" else replies):
            paths.append((reply, [*turns, turn_of(reply)]))


def _rank(node: Node) -> float:
    rank = node.get("rank")
    return float("inf") if rank is None else float(rank)
