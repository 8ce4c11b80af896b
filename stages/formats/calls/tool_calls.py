"""OpenAI's notation of tool calls: as records of the API, as parts of chats, and as a text that a model writes.

record   {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1}"}}
part     {"name": "add", "arguments": {"a": 1}}, with "id" where there is one
text     <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stages.formats.chat.chats import Part
from stages.formats.chat.rejects import Reject

OPEN, CLOSE = "<tool_call>", "</tool_call>"
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ToolCall(NamedTuple):
    """A call of a function."""

    name: str
    arguments: str
    """JSON of an object, as it was written."""
    id: str = ""


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object of a text. Raises Reject(`not_json`, why) for other texts, NaN, and a key twice."""
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Reject("not_json", str(error)) from error
    if not isinstance(value, dict):
        raise Reject("not_json", f"{text[:40]!r} is no object")
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def parse_tool_call(record: Any) -> ToolCall:
    """Return the call of an API's record. Raises Reject(`not_a_call`, why); the arguments may be no JSON."""
    try:
        function = record["function"]
        name, arguments, id_ = function["name"], function["arguments"], record.get("id", "")
    except (KeyError, TypeError, AttributeError) as error:
        raise Reject("not_a_call", repr(error)) from error
    if record.get("type", "function") != "function":
        raise Reject("not_a_call", f"type {record['type']!r} is not 'function'")
    if not (isinstance(arguments, str) and isinstance(id_, str)):
        raise Reject("not_a_call", "id and arguments must be strings")
    return ToolCall(checked_name(name), arguments, id_)


def checked_name(name: Any) -> str:
    """Return the name of a function. Raises Reject(`bad_name`, why)."""
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise Reject("bad_name", f"{name!r} must have 1 to 64 of a-z, A-Z, 0-9, _ and -")
    return name


def call_record(call: ToolCall) -> dict[str, Any]:
    """Return a call as the API has it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def to_part(call: ToolCall) -> Part:
    """Return a call as a part of a chat's message. Raises Reject if its arguments are no JSON object."""
    return Part("tool_call", _json({**({"id": call.id} if call.id else {}), **_named(call)}))


def from_part(part: Part) -> ToolCall:
    """Return the call of a part. Raises Reject if it holds none."""
    record = parse_object(part.text)
    return ToolCall(
        checked_name(record.get("name")), _json(_object(record.get("arguments"))), str(record.get("id", ""))
    )


def write_calls(calls: Iterable[ToolCall]) -> str:
    """Return calls as a model writes them, a line each. Raises Reject if arguments are no JSON object."""
    return "\n".join(f"{OPEN}{_json(_named(call))}{CLOSE}" for call in calls)


def call_of(body: str) -> ToolCall:
    """Return the call of the JSON object that stands between the marks in a text. Raises Reject if it is none.

    Arguments may be left out, or be JSON in a string.
    """
    record = parse_object(body)
    arguments = record.get("arguments")
    written = arguments if isinstance(arguments, str) else _json(_object(arguments))
    parse_object(written)
    return ToolCall(checked_name(record.get("name")), written)


def _named(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": parse_object(call.arguments)}


def _object(value: Any) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Reject("not_json", f"arguments {value!r} are no object")
    return value or {}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
