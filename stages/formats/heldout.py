"""Choice of the records that are held out of a training, by name alone: in every run, split and order, or in none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from stages.formats.chat.chats import Message


def is_heldout(name: str, share: float) -> bool:
    """Return whether a record is held out: a hash of its name, as a number in [0, 1), is below the share."""
    digest = hashlib.sha256(f"heldout/{name}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def is_prompt_heldout(messages: Sequence[Message], share: float) -> bool:
    """Return whether a conversation is held out: by its first message that is not the system's.

    Conversations with one prompt, or about one picture, are on one side, in every data set of a run.
    """
    if not share:
        return False
    first = next((message for message in messages if message.role != "system"), messages[0])
    parts = [part for part in first.parts if part.type == "picture"] or first.parts
    return is_heldout(json.dumps([part._asdict() for part in parts], sort_keys=True), share)
