from typing import Any

import pytest

from stages.formats.chat.rejects import Reject
from stages.formats.published.trees import MAX_DEPTH
from stages.synthesize.ready.trees import threads


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
