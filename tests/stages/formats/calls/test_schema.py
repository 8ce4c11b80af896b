from __future__ import annotations

from typing import Any

import pytest

from stages.formats.calls.schema import conform
from stages.formats.chat.rejects import Reject

INTEGER, STRING, NUMBER = {"type": "integer"}, {"type": "string"}, {"type": "number"}


@pytest.mark.parametrize(
    ("value", "schema", "wanted"),
    [
        ("42", INTEGER, 42),
        ("5.0", INTEGER, 5),
        (5.0, INTEGER, 5),
        ("02134", STRING, "02134"),
        ("null", {"type": ["string", "null"]}, "null"),
        ("null", {"type": ["integer", "null"]}, None),
        ("3.14", NUMBER, 3.14),
        ("7", NUMBER, 7),
        (7, NUMBER, 7),
        ("true", {"type": "boolean"}, True),
        ('[1, "2"]', {"type": "array", "items": INTEGER}, [1, 2]),
        ('{"a": "1"}', {"type": "object", "properties": {"a": INTEGER}}, {"a": 1}),
        ("5", {"anyOf": [INTEGER, STRING]}, "5"),
        ("5", {"anyOf": [INTEGER, {"type": "null"}]}, 5),
        ({"a": "1"}, {"additionalProperties": INTEGER}, {"a": 1}),
        ({"a": {"a": {}}}, {"properties": {"a": {"$ref": "#"}}}, {"a": {"a": {}}}),
        ("1", {"$ref": "#/$defs/n", "$defs": {"n": INTEGER}}, 1),
        (["x"], True, ["x"]),
    ],
)
def test_the_schema_decides_how_a_value_is_read(value: Any, schema: Any, wanted: Any) -> None:
    found = conform(value, schema)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("value", "schema", "reason"),
    [
        ("3.14", INTEGER, "wrong_type"),
        (True, INTEGER, "wrong_type"),
        (1, {"type": "boolean"}, "wrong_type"),
        (2134, STRING, "wrong_type"),
        ("nan", NUMBER, "wrong_type"),
        ("1" * 500, INTEGER, "wrong_type"),
        ("[1", {"type": "array"}, "wrong_type"),
        ({"a": ["x"]}, {"properties": {"a": {"type": "array", "items": INTEGER}}}, "wrong_type"),
        ({}, {"type": "object", "required": ["b"]}, "missing_argument"),
        ({"c": 1}, {"type": "object", "additionalProperties": False}, "unknown_argument"),
        ("c", {"enum": ["a"]}, "not_allowed"),
        (True, {"enum": [1]}, "not_allowed"),
        (11, {"type": "integer", "maximum": 10}, "not_allowed"),
        ("abc", {"type": "string", "maxLength": 2}, "not_allowed"),
        (1, False, "not_allowed"),
        (1, {"$ref": "#"}, "bad_schema"),
        (1, {"$ref": "https://example.org/schema"}, "bad_schema"),
        (1, {"$ref": "#/nothing"}, "bad_schema"),
        ({}, {"required": 3}, "bad_schema"),
        (1, {"$defs": {"d": {"allOf": [{"$ref": "#/$defs/d"}] * 9}}, "$ref": "#/$defs/d"}, "bad_schema"),
    ],
)
def test_other_values_are_refused_with_a_reason(value: Any, schema: Any, reason: str) -> None:
    with pytest.raises(Reject, match=reason):
        conform(value, schema)


def test_a_reject_names_the_place() -> None:
    schema = {"properties": {"rooms": {"items": {"properties": {"size": INTEGER}}}}}
    with pytest.raises(Reject) as refused:
        conform({"rooms": [{"size": 1}, {"size": "big"}]}, schema)
    assert refused.value.detail == "rooms[1].size must be integer, not string"
