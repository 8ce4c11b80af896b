"""Validation errors are one sentence that names the setting, the value got and what was wanted."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from jobs.plan.validation import validated
from stages.shared.errors import ConfigError


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    diameter_cm: int = 120

    @model_validator(mode="after")
    def _rolls(self) -> Wheel:
        if self.diameter_cm < 0:
            raise ConfigError("coach.wheel.diameter_cm", self.diameter_cm, "more than nothing")
        if self.diameter_cm == 0:
            raise ValueError("a point does not roll")
        return self


class Coach(BaseModel):
    model_config = ConfigDict(extra="forbid")

    horses: int
    wheel: Wheel = Wheel()
    spare: Wheel | None = None


def complaint(values: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        validated(Coach, values, "coach")
    return str(caught.value)


def test_good_values_make_the_model() -> None:
    assert validated(Coach, {"horses": 4, "wheel": {"diameter_cm": 90}}, "coach").wheel.diameter_cm == 90


def test_an_unknown_key_is_met_with_the_nearest_known_one() -> None:
    assert complaint({"horses": 4, "whel": {}}) == "coach.whel is {}: want a known key; did you mean 'wheel'?"


@pytest.mark.parametrize("part", ["wheel", "spare"])
def test_an_unknown_key_in_a_group_is_met_with_the_nearest_of_that_group(part: str) -> None:
    said = complaint({"horses": 4, part: {"diameter": 9}})
    assert said == f"coach.{part}.diameter is 9: want a known key; did you mean 'diameter_cm'?"


def test_a_key_like_no_other_is_met_with_all_known_ones() -> None:
    assert "known: horses, spare, wheel" in complaint({"horses": 4, "xyzzy": 1})


def test_a_missing_value_is_named() -> None:
    assert complaint({}) == "coach.horses is None: want a value; coach cannot do without 'horses'"


def test_a_wrong_type_tells_what_was_got_and_wanted() -> None:
    said = complaint({"horses": "four"})
    assert said.startswith("coach.horses is 'four': want ")
    assert "integer" in said


def test_a_check_of_the_models_own_is_told_without_pydantics_words() -> None:
    assert complaint({"horses": 4, "wheel": {"diameter_cm": 0}}).endswith("want a point does not roll")


def test_a_config_error_of_the_models_own_passes_through() -> None:
    said = complaint({"horses": 4, "wheel": {"diameter_cm": -1}})
    assert said == "coach.wheel.diameter_cm is -1: want more than nothing"
