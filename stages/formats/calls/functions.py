"""Functions that a model may call, as OpenAI's API has them, and calls bound to their parameters.

{"type": "function", "function": {"name": "add", "description": "...", "parameters": {JSON schema}}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.formats.calls.literals import Arguments
from stages.formats.calls.schema import conform
from stages.formats.calls.tool_calls import ToolCall, checked_name, parse_object
from stages.formats.chat.rejects import Reject


@dataclass(frozen=True)
class Function:
    """A function and the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})

    @property
    def names(self) -> list[str]:
        """Names of the parameters in order."""
        return list(self.parameters.get("properties", {}))


def parse_function(record: Any) -> Function:
    """Return the function of an API's record. Raises Reject(`not_a_function` or `bad_name`, why)."""
    try:
        inner = record["function"]
        name, description = inner["name"], inner.get("description") or ""
        parameters = inner.get("parameters") or {"type": "object", "properties": {}}
        properties = parameters.get("properties", {})
    except (KeyError, TypeError, AttributeError) as error:
        raise Reject("not_a_function", repr(error)) from error
    if record.get("type") != "function" or not isinstance(description, str):
        raise Reject("not_a_function", f"type {record.get('type')!r} must be 'function', the description a string")
    if parameters.get("type", "object") != "object" or not isinstance(properties, dict):
        raise Reject("not_a_function", "parameters must be a JSON schema of type object")
    return Function(checked_name(name), description, parameters)


def function_record(function: Function) -> dict[str, Any]:
    """Return a function as the API has it."""
    inner = {"name": function.name, "description": function.description, "parameters": dict(function.parameters)}
    return {"type": "function", "function": inner}


def bind(function: Function, arguments: Arguments) -> dict[str, Any]:
    """Return the arguments of a call by name, as the schema has them: positional ones in the order of the properties.

    Raises Reject(`too_many_arguments`, `argument_twice`, or a reason of `conform`; where).
    """
    names = function.names
    if len(arguments.positional) > len(names):
        raise Reject("too_many_arguments", f"{function.name} has {len(names)} parameters")
    placed = dict(zip(names, arguments.positional, strict=False))
    twice = placed.keys() & arguments.named.keys()
    if twice:
        raise Reject("argument_twice", ", ".join(sorted(twice)))
    return _conformed(function, {**placed, **arguments.named})


def resolve(call: ToolCall, functions: Sequence[Function]) -> tuple[Function, dict[str, Any]]:
    """Return the function of a call, and its arguments as the function's schema has them.

    Raises Reject(`unknown_function`, `not_json`, or a reason of `conform`; where).
    """
    function = next((each for each in functions if each.name == call.name), None)
    if function is None:
        raise Reject("unknown_function", f"{call.name}; known: {', '.join(each.name for each in functions)}")
    return function, _conformed(function, parse_object(call.arguments))


def _conformed(function: Function, arguments: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = conform(arguments, {"type": "object", **function.parameters})
    return found
