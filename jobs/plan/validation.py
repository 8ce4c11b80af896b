"""Validation of user-written values: pydantic's errors as one clear sentence with the nearest known name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from stages.shared.errors import ConfigError, nearest

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Return `model` made of `values`. Raises ConfigError about the first wrong one, named `<where>.<key>`."""
    try:
        return model.model_validate(dict(values))
    except ConfigError as error:  # raised by a validator of the stage's own
        raise error.within(where) from None
    except ValidationError as error:
        first = error.errors()[0]
        location = [str(part) for part in first["loc"]]
        setting = ".".join([where, *location])
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                setting, first["input"], f"a known key; {nearest(location[-1], _known(model, location))}"
            ) from None
        if first["type"] == "missing":
            raise ConfigError(setting, None, f"a value; {where} cannot do without {location[-1]!r}") from None
        raise ConfigError(
            setting, first["input"], first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        ) from None


def _known(model: type[BaseModel], location: list[str]) -> list[str]:
    """Return the keys known where an unknown one was met, walking down nested models."""
    for part in location[:-1]:
        field = model.model_fields.get(part)
        if field is None:
            continue
        candidates = [field.annotation, *get_args(field.annotation)]
        nested = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if nested:
            model = nested[0]
    return list(model.model_fields)
