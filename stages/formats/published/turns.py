"""Turns of published conversations, with the names that the data has for roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.formats.chat.chats import Role
from stages.formats.chat.rejects import Reject

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "claude", "assistant", "bot", "model"), "assistant"),
    "system": "system",
}
"""Roles by the names that published data has for them, in lower case."""


class Turn(NamedTuple):
    """One turn, before it is checked."""

    role: Role
    text: str


def role_of(name: Any) -> Role:
    """Return the role that a name stands for. Raises Reject for one that is not known."""
    role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise Reject("unknown_role", repr(name))
    return role


def text_of(value: Any, field: str) -> str:
    """Return a field's text; a null is an empty one. Raises Reject for another type."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Reject("not_a_text", f"{field}: {value!r}")
    return value
