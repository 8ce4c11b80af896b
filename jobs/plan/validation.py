"""Validation of user-written values: pydantic's errors as one clear sentence with the nearest known name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stages.shared.errors import ConfigError, nearest

Model = TypeVar("Model", bound=BaseModel)
SHAPE = re.compile(r"(\w+) should (have|match) (.+?)(?: after validation.*)?")
"""pydantic's words about a length or a pattern."""
KINDS = {"String": "a string", "Dictionary": "a mapping"}


def validated(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Return `model` made of `values`. Raises ConfigError about one wrong value, named `<where>.<key>`.

    `where` is empty at the top of a file.
    """
    try:
        return model.model_validate(dict(values))
    except ConfigError as error:  # raised by a validator of the stage's own
        raise (error.within(where) if where else error) from None
    except ValidationError as error:
        raise _config_error(error.errors(), model, values, where) from None


def _config_error(
    errors: Sequence[ErrorDetails], model: type[BaseModel], values: Mapping[str, Any], where: str
) -> ConfigError:
    """Return the error about the first wrong field; in it, about the deepest value that is wrong."""
    paths = [_path(error, values) for error in errors]
    place = max((path for path in paths if path[:1] == paths[0][:1]), key=len)
    here = [error for error, path in zip(errors, paths, strict=True) if path == place]
    kind, value = here[0]["type"], here[0]["input"]
    setting = _joined(where, *place)
    if kind == "extra_forbidden":
        return ConfigError(setting, value, f"a known key; {nearest(place[-1], _known(model, place))}")
    if kind == "missing":
        owner = _joined(where, *place[:-1]) or "it"
        return ConfigError(setting, None, f"a value; {owner} cannot do without {place[-1]!r}")
    return ConfigError(setting, value, " or ".join(dict.fromkeys(map(_wanted, here))))


def _joined(*parts: str) -> str:
    return ".".join(filter(None, parts))


def _path(error: ErrorDetails, values: Any) -> tuple[str, ...]:
    """Return the keys that lead to an error's value, without pydantic's names for the members of a union."""
    path: list[str] = []
    for part in error["loc"]:
        is_absent = error["type"] == "missing" and part == error["loc"][-1]
        if not is_absent and not _holds(values, part):
            continue
        path.append(str(part))
        values = None if is_absent else values[part]
    return tuple(path)


def _holds(values: Any, part: str | int) -> bool:
    if isinstance(values, Mapping):
        return part in values
    return isinstance(values, (list, tuple)) and isinstance(part, int)


def _wanted(error: ErrorDetails) -> str:
    if error["type"] == "string_type":
        return string_wanted(error["input"])
    if shape := SHAPE.fullmatch(error["msg"]):
        return f"{KINDS.get(shape[1], 'a list')} {'with' if shape[2] == 'have' else 'of'} {shape[3]}"
    words = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return words.partition(", unable to parse")[0]


def string_wanted(value: Any) -> str:
    """Return the words that ask for a string where YAML gave `value`."""
    return f'a string: quote it, "{json.dumps(value)}"' if isinstance(value, (bool, int, float)) else "a valid string"


def at_home(path: str, setting: str) -> Path:
    """Return a path that a user wrote, with the folder that a leading ~ stands for. Raises ConfigError if none does."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(setting, path, "a path without ~: this user has no home folder here") from None


def _known(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys known where an unknown one was met, walking down nested models."""
    for part in path[:-1]:
        field = model.model_fields.get(part)
        if field is None:
            continue
        candidates = [field.annotation, *get_args(field.annotation)]
        nested = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if nested:
            model = nested[0]
    return list(model.model_fields)
