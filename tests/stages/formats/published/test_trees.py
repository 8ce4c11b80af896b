"""Trees of replies: grown from flat messages in any order; whole trees pass as they are."""

from __future__ import annotations

from typing import Any

from stages.formats.chat.rejects import Reject
from stages.formats.published.trees import grown, trees


def test_whole_trees_and_rejects_come_before_the_grown_ones() -> None:
    whole, flat = {"message_id": "1", "replies": []}, {"message_id": "2", "text": "q", "role": "prompter"}
    odd, reject = {"message_id": 3}, Reject("unreadable_record")
    found = list(trees([(1, flat), (2, whole), (3, odd), (4, reject)]))
    assert found == [(2, whole), (3, odd), (4, reject), (1, {**flat, "replies": []})]


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
    assert [root["text"], root["replies"][0]["text"], root["replies"][0]["replies"][0]["text"]] == ["q1", "a1", "q2"]
