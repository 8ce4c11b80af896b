"""Texts of a sample: captions, and conversations in which `<image>` stands for a picture."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from stages.formats.chat.chats import Message, Part
from stages.formats.chat.rejects import Reject
from stages.formats.pictures.collections import MAX_CAPTIONS
from stages.formats.published.turns import Turn

MARK = "<image>"
"""Stands for a picture in LLaVA's conversations; in a caption, an answer or a sample without pictures it is text."""


def clean_captions(captions: Sequence[Any], mended: Counter[str]) -> tuple[str, ...]:
    """Return the different captions in order, white space as one space. Raises Reject for one that is no text.

    Blank, repeated and surplus captions are counted in `mended`.
    """
    found: dict[str, str] = {}
    for caption in captions:
        if not isinstance(caption, str):
            raise Reject("not_a_text", repr(caption))
        text = " ".join(caption.split())
        if not text or same_text(text) in found or len(found) == MAX_CAPTIONS:
            mended["surplus_captions" if text else "blank_captions"] += 1
        else:
            found[same_text(text)] = text
    return tuple(found.values())


def same_text(text: str) -> str:
    """Return a caption without differences of case, width and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def caption_digest(text: str) -> int:
    """Return 64 bits that are equal for captions that are the same."""
    return int.from_bytes(hashlib.sha256(same_text(text).encode("utf-8", "replace")).digest()[:8], "big")


def conversation(turns: Sequence[Turn], keys: Sequence[str]) -> tuple[Message, ...]:
    """Return the messages of a conversation, its pictures at their marks, in order.

    Raises Reject where marks and pictures differ in number, and for a conversation that is not question and answer in
    turn, or has a blank one.
    """
    marks = sum(turn.text.count(MARK) for turn in turns if turn.role == "user")
    if keys and marks != len(keys):
        raise Reject("marks_differ", f"{marks} x {MARK}, {len(keys)} pictures")
    rest, messages = list(keys), []
    for turn in turns:
        pieces = turn.text.split(MARK) if keys and turn.role == "user" else [turn.text]
        parts = [Part("picture", key=rest.pop(0)) if place % 2 else None for place in range(2 * len(pieces) - 1)]
        filled = [part or Part("text", pieces[place // 2].strip()) for place, part in enumerate(parts)]
        messages.append(Message(turn.role, tuple(part for part in filled if part.type == "picture" or part.text)))
    roles = [message.role for message in messages if message.role != "system"]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2) or "system" in [m.role for m in messages[1:]]:
        raise Reject("wrong_order", " ".join(message.role for message in messages))
    if not all(message.parts for message in messages):
        raise Reject("blank_turn", " | ".join(turn.text for turn in turns))
    return tuple(messages)
