"""Texts of samples: pictures stand where their marks are, in order, and captions differ."""

from __future__ import annotations

from collections import Counter

import pytest

from stages.formats.chat.chats import Part, text_message
from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import Turn
from stages.vision.pictures.texts import caption_digest, clean_captions, conversation


def test_marks_keep_their_order_and_place() -> None:
    turns = [Turn("user", "a <image> b\n<image>\nc"), Turn("assistant", "yes")]
    asked, answer = conversation(turns, ["1", "2"])
    assert asked.parts == (
        Part("text", "a"),
        Part("picture", key="1"),
        Part("text", "b"),
        Part("picture", key="2"),
        Part("text", "c"),
    )
    assert answer == text_message("assistant", "yes")


def test_a_mark_in_an_answer_or_in_a_text_without_pictures_is_text() -> None:
    alone = [Turn("user", "what is <image>?"), Turn("assistant", "<image> is a tag")]
    assert [message.text for message in conversation(alone, [])] == ["what is <image>?", "<image> is a tag"]
    asked, answer = conversation([Turn("user", "<image>"), Turn("assistant", "an <image>")], ["1"])
    assert asked.parts == (Part("picture", key="1"),)
    assert answer.text == "an <image>"


@pytest.mark.parametrize(
    ("turns", "keys", "reason"),
    [
        ([Turn("user", "no mark"), Turn("assistant", "a")], ["1"], "marks_differ"),
        ([Turn("user", "<image><image>"), Turn("assistant", "a")], ["1"], "marks_differ"),
        ([Turn("assistant", "a"), Turn("user", "<image>")], ["1"], "wrong_order"),
        ([Turn("user", "<image>")], ["1"], "wrong_order"),
        ([Turn("user", "<image>"), Turn("assistant", " ")], ["1"], "blank_turn"),
    ],
)
def test_other_conversations_are_rejected(turns: list[Turn], keys: list[str], reason: str) -> None:
    with pytest.raises(Reject) as caught:
        conversation(turns, keys)
    assert caught.value.reason == reason


def test_captions_are_told_apart_by_their_words() -> None:
    mended: Counter[str] = Counter()
    assert clean_captions(["A  red\nflag", "a red flag ", "", "ａ ＲＥＤ flag", "blue"], mended) == (
        "A red flag",
        "blue",
    )
    assert mended == {"surplus_captions": 2, "blank_captions": 1}
    assert caption_digest("A  Red flag") == caption_digest("a red flag") != caption_digest("a red flags")
    assert len(clean_captions([str(number) for number in range(99)], mended)) == 64
    with pytest.raises(Reject, match="not_a_text"):
        clean_captions([5], mended)
