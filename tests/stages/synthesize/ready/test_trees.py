from typing import Any

import pytest

from stages.formats.chat.rejects import Reject
from stages.synthesize.ready.trees import MAX_DEPTH, grown, threads


def node(text: str, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    role = "prompter" if text.startswith("q") else "assistant"
    return {"text": text, "role": role, "replies": list(replies), **fields}


TREE = node(
    "q1",
    node("a2", rank=1),
    node("a1", node("q2", node("a3", rank=0), node("a4", rank=1)), rank=0),
    node("a5", rank=0, deleted=True),
    node("a6"),
)


def texts(root: dict[str, Any], choice: Any) -> list[str]:
    return [" ".join(turn.text for turn in turns) for turns in threads(root, choice)]


def test_the_best_thread_takes_the_reply_of_the_best_rank() -> None:
    assert texts(TREE, "best") == ["q1 a1 q2 a3"]
    assert texts(TREE, "all") == ["q1 a1 q2 a3", "q1 a1 q2 a4", "q1 a2", "q1 a6"]


def test_a_rejected_root_and_an_endless_tree_are_rejects() -> None:
    with pytest.raises(Reject, match="rejected_in_review"):
        texts(node("q", review_result=False), "all")
    deep = node("q")
    for _ in range(MAX_DEPTH + 1):
        deep = node("q", deep)
    with pytest.raises(Reject, match="too_deep"):
        texts(deep, "best")


def test_flat_messages_grow_into_trees_in_any_order() -> None:
    flat: list[dict[str, Any]] = [
        {"message_id": "3", "parent_id": "2", "text": "q2", "role": "prompter"},
        {"message_id": "2", "parent_id": "1", "text": "a1", "role": "assistant"},
        {"message_id": "9", "parent_id": "8", "text": "lost", "role": "assistant"},
        {"message_id": "1", "parent_id": None, "text": "q1", "role": "prompter"},
    ]
    flat += [{**flat[1], "text": "again"}, {**flat[2], "message_id": "10", "parent_id": "9"}]
    flat += [{**flat[2], "message_id": "11", "parent_id": "12"}, {**flat[2], "message_id": "12", "parent_id": "11"}]
    found = dict(grown(enumerate(flat, start=1)))
    root = found.pop(4)
    assert {number: each.reason for number, each in found.items() if isinstance(each, Reject)} == {
        5: "same_id", **dict.fromkeys((3, 6, 7, 8), "parent_is_missing"),
    }  # fmt: skip
    assert isinstance(root, dict)
    assert texts(root, "best") == ["q1 a1 q2"]
