"""YAML as recipes, cluster files and `--set` write it: plain values mean what they look like, and traps are errors.

A plain value is null, true, false, a decimal, 0x or 0o number, or a string (YAML 1.2's core schema). PyYAML alone reads
YAML 1.1, where `no` is false, `1e-3` is a string, `010` is 8, `12:30` is 750 and of two equal keys the last one counts.
Every key is a string, spelled as in the file.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from stages.shared.errors import DataError

CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DIGITS = "[0-9]+(?:_[0-9]+)*"
LEADING_ZERO = re.compile("[-+]?0[0-9_]+")
INTEGER = re.compile(f"[-+]?{_DIGITS}|0x[0-9a-fA-F]+|0o[0-7]+")
FLOAT = re.compile(rf"[-+]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?")
MERGE = "<<"
MAX_VALUES = 1_000_000
"""Values of one file with its aliases written out. More are a mistake, or an attack (a "billion laughs")."""
MAX_DIGITS = 300
UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
SYNTAX = (
    (r"'\\t'", "a tab", "Use spaces: YAML allows no tabs between its parts"),
    ("another document", "a second document begins", "Remove the line `---`: a file holds one document"),
    ("alias|alphabetic or numeric", "a `*` or `&` begins an alias", 'Quote the value, such as "*.warc.gz"'),
    ("mapping values are not", "a second `: ` in one value", "Quote a value that holds a colon and a space"),
    ("could not find expected ':'", "a line is no `key: value`", "Put a colon and a space after the key"),
    ("cannot start any token", "a value begins with a character that YAML reserves", "Quote the value"),
    ("stream end|end of stream", "a bracket or quote stays open to the end of the file", "Close it"),
)
"""A pattern of PyYAML's messages, the problem in a user's words, and the remedy; the first match counts."""


class AmbiguousYamlError(Exception):
    """A value or key that would not be read as its author means it."""

    def __init__(self, node: yaml.Node, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.line, self.problem, self.remedy = node.start_mark.line + 1, problem, remedy


def load_mapping(path: Path, holds: str) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; `holds` says of what, such as "sections".

    Raises DataError, with the line, for a file that is unreadable, no YAML, no mapping, or ambiguous.
    """
    try:
        value = _parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})", "Check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 at byte {error.start}", "Save the file as UTF-8") from error
    except RecursionError as error:
        raise DataError(path, "too many brackets in each other", "Write it flatter") from error
    except yaml.YAMLError as error:
        raise _syntax_error(path, error) from error
    except AmbiguousYamlError as error:
        raise DataError(f"{path}:{error.line}", error.problem, error.remedy) from error
    if not isinstance(value, dict):
        found = {type(None): "nothing", list: "a list"}.get(type(value), f"the value {value!r}")
        raise DataError(path, f"the file holds {found}, not a mapping of {holds}", "Write lines of `key: value`")
    return value


def parse_value(text: str) -> Any:
    """Return the value of a `--set`: YAML, or the text itself where it is no YAML, such as a glob.

    Raises AmbiguousYamlError.
    """
    try:
        return _parse(text)
    except (yaml.YAMLError, RecursionError):
        return _checked(yaml.ScalarNode("", text, yaml.Mark("", 0, 0, 0, None, 0)), text)


def _parse(text: str) -> Any:
    node = yaml.compose(text, Loader=yaml.BaseLoader)
    if node is None:
        return None
    if _size(node, {}) > MAX_VALUES:
        raise AmbiguousYamlError(node, f"its aliases make more than {MAX_VALUES:,} values", "Write fewer of them")
    return _value(node, ())


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the number of values below a node with its aliases written out; an alias of what holds it counts once."""
    if id(node) not in known:
        known[id(node)] = 1
        if not isinstance(node, yaml.ScalarNode):
            parts = (part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,)))
            known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _syntax_error(path: Path, error: yaml.YAMLError) -> DataError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return DataError(path, f"not YAML ({error})", "Remove the character")
    mark = error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1}" if mark else path
    for pattern, problem, remedy in SYNTAX:
        if re.search(pattern, error.problem or ""):
            return DataError(where, problem, remedy)
    problem = ", ".join(filter(None, (error.context, error.problem)))
    return DataError(where, f"not YAML ({problem})", "Check the indentation and the quotes of this line")


def _value(node: yaml.Node, above: tuple[yaml.Node, ...]) -> Any:
    if any(node is other for other in above):
        raise AmbiguousYamlError(node, "an anchor holds itself", "Remove the alias inside it")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if node.tag not in ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"):
        raise _tagged(node)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, (*above, node))
    return [_value(child, (*above, node)) for child in node.value]


def _mapping(node: yaml.MappingNode, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = _key(key_node)
        if key in lines:
            raise AmbiguousYamlError(
                key_node, f"the key {key!r} stands in line {lines[key]} already", "Remove one of the two"
            )
        lines[key] = key_node.start_mark.line + 1
        value = _value(value_node, above)
        if key == MERGE and key_node.style is None:
            merged = _merged(value_node, value)
        else:
            own[key] = value
    return {**merged, **own}


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise AmbiguousYamlError(
            node, "a key is no name", "Write `name: value`; quote a name that holds brackets or braces"
        )
    return _checked(node, node.value)


def _checked(node: yaml.ScalarNode, text: str) -> str:
    """Return a text. Raises AmbiguousYamlError for one that no file can hold as UTF-8."""
    if UNPRINTABLE.search(text):
        raise AmbiguousYamlError(node, f"{text!r} holds a character that is no text", "Remove it")
    return text


def _merged(node: yaml.Node, value: Any) -> dict[str, Any]:
    """Return the mappings behind `<<:` as one; the first that has a key wins."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise AmbiguousYamlError(
            node, "`<<` takes no mapping", "Give it an alias of a mapping, or a list of such aliases"
        )
    return {key: item for part in reversed(parts) for key, item in part.items()}


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.tag != "tag:yaml.org,2002:str":
        raise _tagged(node)
    if node.style is not None:
        return _checked(node, text)
    if text in CONSTANTS:
        return CONSTANTS[text]
    if LEADING_ZERO.fullmatch(text):
        remedy = f'Write {int(text)} for the number, "{text}" for a string'
        raise AmbiguousYamlError(node, f"{text} is octal to some programs and decimal to others", remedy)
    if INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise AmbiguousYamlError(node, f"{text[:9]}... has more than {MAX_DIGITS} digits", "Write a smaller number")
        return int(text, 0)
    if FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise AmbiguousYamlError(node, f"{text} is too large for a number", "Write a smaller one")
        return number
    return _checked(node, text)


def _tagged(node: yaml.Node) -> AmbiguousYamlError:
    return AmbiguousYamlError(
        node, f"the tag {node.tag!r} has no meaning here", 'Remove it; quote a string such as "!x"'
    )
