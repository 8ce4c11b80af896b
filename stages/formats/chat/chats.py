"""The format of chats: JSONL, a conversation a line, with messages of typed parts and their provenance.

    {"id": "...", "messages": [{"role": "user", "parts": [{"type": "text", "text": "..."}]}, ...], "provenance": {...}}

A message of one text may be written as {"role": "user", "content": "..."}, as most published data is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from stages.formats.jsonl import parse_lines
from stages.shared.files import write_atomic

Role = Literal["system", "user", "assistant", "tool"]
PartType = Literal["text", "picture", "audio", "tool_call", "tool_result"]
ROLES: tuple[Role, ...] = get_args(Role)
_PART_TYPES: tuple[PartType, ...] = get_args(PartType)
_REMEDY = "Write one JSON object a line: {id, messages: [{role, content}, ...]}"


# Named tuples, for a frozen dataclass takes twice as long to make, and files hold millions of them.
class Part(NamedTuple):
    """A piece of a message."""

    type: PartType
    text: str = ""
    """The text; of a call or its result the JSON."""
    key: str = ""
    """Name of the picture or of the sound in its collection."""

    @property
    def shown(self) -> str:
        """The part for people: one that is no text by its type and name."""
        return self.text or f"[{self.type} {self.key}]"


class Message(NamedTuple):
    """One turn."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text of a message that has nothing else. Raises ValueError for one that has."""
        if len(self.parts) == 1 and self.parts[0].type == "text":
            return self.parts[0].text
        if any(part.type != "text" for part in self.parts):
            raise ValueError(f"a message of {', '.join(part.type for part in self.parts)} has no plain text")
        return "".join(part.text for part in self.parts)

    @property
    def shown(self) -> str:
        """The message for people: parts that are no text by their type and name."""
        return "\n".join(part.shown for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A conversation."""

    id: str
    messages: tuple[Message, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Source, template, teacher, parents, and why it was kept. JSON values."""


def text_message(role: Role, text: str) -> Message:
    """Return a message of one text."""
    return Message(role=role, parts=(Part(type="text", text=text),))


def transcript(messages: Iterable[Message]) -> str:
    """Return messages in one line, for people to read."""
    return " | ".join(f"{each.role}: {''.join(part.shown for part in each.parts)}" for each in messages)


def parse_chat(record: Mapping[str, Any], number: int) -> Chat:
    """Return the chat of a record; `number` is its id if it has none.

    Raises ValueError, KeyError or TypeError for a record that is none, or that has no messages.
    """
    messages = tuple([parse_message(each) for each in record["messages"]])
    if not messages:
        raise ValueError("no messages")
    return Chat(id=str(record.get("id", number)), messages=messages, provenance=dict(record.get("provenance") or {}))


def parse_message(record: Mapping[str, Any]) -> Message:
    """Return the message of a record. Raises ValueError, KeyError or TypeError for a record that is none."""
    role = record["role"]
    if role not in ROLES:
        raise ValueError(f"role {role!r}: must be one of {', '.join(ROLES)}")
    if "parts" not in record:
        if not isinstance(record["content"], str):
            raise TypeError(f"content {record['content']!r}: must be a text")
        return text_message(role, record["content"])
    return Message(role, tuple([_part(**part) for part in record["parts"]]))


def _part(type: PartType, text: str = "", key: str = "") -> Part:
    if type not in _PART_TYPES:
        raise ValueError(f"part {type!r}: must be one of {', '.join(_PART_TYPES)}")
    if not isinstance(text, str) or not isinstance(key, str):
        raise TypeError(f"part of text {text!r} and key {key!r}: both must be texts")
    return Part(type, text, key)


def read_chats(path: Path) -> Iterator[Chat]:
    """Yield the chats of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return parse_lines(path, parse_chat, "not a chat", _REMEDY)


def message_record(message: Message) -> dict[str, Any]:
    """Return the JSON value of a message, without empty fields."""
    parts = [{name: value for name, value in part._asdict().items() if value} for part in message.parts]
    return {"role": message.role, "parts": parts}


def to_record(chat: Chat) -> dict[str, Any]:
    """Return the JSON value of a chat, without empty fields."""
    messages = [message_record(message) for message in chat.messages]
    return {"id": chat.id, "messages": messages, **({"provenance": dict(chat.provenance)} if chat.provenance else {})}


def write_chats(path: Path, chats: Iterable[Chat]) -> None:
    """Write one chat a line, in order, atomically."""
    lines = (json.dumps(to_record(chat), ensure_ascii=False, sort_keys=True) + "\n" for chat in chats)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))
