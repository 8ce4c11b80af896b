"""Values against a JSON schema: what the schema demands decides how a value is read, and nothing else does.

A model writes "5" where an integer is wanted, or 5.0: both become 5. A string stays as it is where a string is wanted,
whatever it looks like. Checks type, enum, const, properties, required, additionalProperties, items, anyOf, oneOf,
allOf, local $ref, and the bounds of numbers, lengths and counts. Other keywords are not checked; `pattern` is one of
them, because a hostile pattern never ends.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from stages.formats.calls.literals import MAX_DIGITS
from stages.formats.chat.rejects import Reject

Schema = Mapping[str, Any]
MAX_DEPTH = 100
MAX_STEPS = 20_000
"""Most (value, schema) pairs that are compared: choices within choices could multiply without end."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("at least", lambda value, bound: value >= bound),
    "maximum": ("at most", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("above", lambda value, bound: value > bound),
    "exclusiveMaximum": ("below", lambda value, bound: value < bound),
}
_COUNTS: Mapping[type, tuple[str, str]] = {str: ("minLength", "maxLength"), list: ("minItems", "maxItems")}


def conform(value: Any, schema: Any) -> Any:
    """Return the value as the schema demands it.

    Raises Reject(`wrong_type`, `missing_argument`, `unknown_argument`, `not_allowed` or `bad_schema`, where and why).
    """
    try:
        return _Conforming(schema).value(value, schema, "", 0)
    except (AttributeError, KeyError, TypeError) as error:
        raise Reject("bad_schema", repr(error)) from error


class _Conforming:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def value(self, value: Any, schema: Any, path: str, depth: int) -> Any:
        self._steps += 1
        if depth > MAX_DEPTH or self._steps > MAX_STEPS:
            raise Reject("bad_schema", f"{path}: more than {MAX_DEPTH} levels or {MAX_STEPS:,} steps")
        if isinstance(schema, bool):
            if not schema:
                raise Reject("not_allowed", path)
            return value
        if not isinstance(schema, Mapping):
            raise Reject("bad_schema", f"{path}: a schema is an object")
        if "$ref" in schema:
            value = self.value(value, self._referred(schema["$ref"]), path, depth + 1)
        for each in schema.get("allOf", ()):
            value = self.value(value, each, path, depth + 1)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            value = self._chosen(value, choices, path, depth)
        value = self._typed(value, schema, path, depth)
        _check(value, schema, path)
        return value

    def _referred(self, name: Any) -> Any:
        found = self._root
        for part in str(name).removeprefix("#").strip("/").split("/") if name != "#" else ():
            key = part.replace("~1", "/").replace("~0", "~")
            if not (isinstance(found, Mapping) and key in found and str(name).startswith("#")):
                raise Reject("bad_schema", f"no {name!r}: only references within a schema are read")
            found = found[key]
        return found

    def _chosen(self, value: Any, choices: Sequence[Any], path: str, depth: int) -> Any:
        """Return the value as the first choice has it that takes it unchanged, else the first that takes it."""
        found, reject = [], Reject("wrong_type", path)
        for choice in choices:
            try:
                found.append(self.value(value, choice, path, depth + 1))
            except Reject as refused:
                reject = refused
        if not found:
            raise reject
        return next((each for each in found if _same(each, value)), found[0])

    def _typed(self, value: Any, schema: Schema, path: str, depth: int) -> Any:
        wanted = schema.get("type")
        types = wanted if isinstance(wanted, list) else [wanted] if wanted else []
        kind = _kind(value)
        if types and not (kind in types or (kind == "integer" and "number" in types)):
            value = next((read for name in types if (read := _read(value, name)) is not _NONE), _NONE)
            if value is _NONE:
                raise Reject("wrong_type", f"{path or 'the value'} must be {' or '.join(map(str, types))}, not {kind}")
        if isinstance(value, dict):
            return self._object(value, schema, path, depth)
        if isinstance(value, list) and "items" in schema:
            items = schema["items"]
            return [self.value(each, items, f"{path}[{at}]", depth + 1) for at, each in enumerate(value)]
        return value

    def _object(self, value: dict[str, Any], schema: Schema, path: str, depth: int) -> dict[str, Any]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        missing = [name for name in schema.get("required", ()) if name not in value]
        if missing:
            raise Reject("missing_argument", ", ".join(_inside(path, name) for name in missing))
        unknown = [name for name in value if name not in properties] if others is False else []
        if unknown:
            raise Reject("unknown_argument", ", ".join(_inside(path, name) for name in unknown))
        return {
            name: self.value(each, properties.get(name, others), _inside(path, name), depth + 1)
            for name, each in value.items()
        }


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class _None:
    """Stands for no value."""


_NONE = _None()


def _kind(value: Any) -> str:
    """Return the schema's name of a value's type. A whole float is a number; `_read` makes an integer of it."""
    if value is None:
        return "null"
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), type(value).__name__)


def _read(value: Any, wanted: Any) -> Any:
    """Return a value of another type as `wanted` has it; _NONE if it cannot be read so."""
    if wanted in ("integer", "number"):
        return _number(value, wanted)
    if not isinstance(value, str):
        return _NONE
    if wanted in ("boolean", "null"):
        return {"true": True, "false": False}.get(value.lower(), _NONE) if wanted == "boolean" else _null(value)
    if wanted in ("array", "object"):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return _NONE
        return found if _kind(found) == wanted else _NONE
    return _NONE


def _null(value: str) -> Any:
    return None if value in ("null", "None") else _NONE


def _number(value: Any, wanted: str) -> Any:
    if isinstance(value, str) and len(value) <= MAX_DIGITS and _NUMBER.fullmatch(value.strip()):
        exact = Fraction(value.strip())
        if exact.denominator == 1 and (wanted == "integer" or "." not in value):
            return int(exact)
        return float(exact) if wanted == "number" and abs(exact) < 1e308 else _NONE
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and wanted == "integer":
        return int(value)
    return _NONE


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: True is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _check(value: Any, schema: Schema, path: str) -> None:
    """Raise Reject(`not_allowed`) for a value that its schema does not have."""
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if allowed is not None and not any(_same(value, each) for each in allowed):
        raise Reject("not_allowed", f"{path}: {_shown(value)} must be one of {', '.join(map(_shown, allowed))}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for name, (words, holds) in _BOUNDS.items():
            if isinstance(schema.get(name), (int, float)) and not holds(value, schema[name]):
                raise Reject("not_allowed", f"{path}: {_shown(value)} must be {words} {schema[name]}")
    if type(value) in _COUNTS:
        least, most = (schema.get(name) for name in _COUNTS[type(value)])
        if (least is not None and len(value) < least) or (most is not None and len(value) > most):
            raise Reject("not_allowed", f"{path}: a length of {len(value)}, must be {least or 0} to {most or 'any'}")


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
