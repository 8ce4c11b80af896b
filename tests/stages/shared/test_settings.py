"""What a user writes is taken as it is meant, or refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from stages.shared.settings import Settings


class Mine(Settings):
    count: int = 1
    share: float = 0.5
    limit: int | None = None
    either: bool | int = False
    words: str = ""


@pytest.mark.parametrize(
    "values",
    [
        {"count": True},
        {"share": False},
        {"limit": True},
        {"share": math.inf},
        {"share": math.nan},
        {"words": True},
        {"x": 1},
    ],
)
def test_no_boolean_is_a_number_and_every_number_is_finite(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mine(**values)


def test_a_field_of_both_kinds_keeps_its_boolean() -> None:
    assert Mine(either=True, limit=None, count=3).either is True
