"""Validation errors are one sentence that names the setting, the value got and what was wanted."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.plan.validation import validated
from stages.shared.errors import ConfigError


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    diameter_cm: int = 120
    rims: tuple[str, ...] = Field(("iron",), min_length=1)
    plate: str = Field("A1", pattern="^[A-Z]")

    @model_validator(mode="after")
    def _rolls(self) -> Wheel:
        if self.diameter_cm < 0:
            raise ConfigError("wheel.diameter_cm", self.diameter_cm, "more than nothing")
        if self.diameter_cm == 0:
            raise ValueError("a point does not roll")
        return self


class Load(BaseModel):
    mail: int


class Coach(BaseModel):
    model_config = ConfigDict(extra="forbid")

    horses: int
    load: Load | None = None
    sizes: str | dict[str, list[str]] = ""
    wheel: Wheel = Wheel()
    spare: Wheel | None = None


def complaint(values: dict[str, object], where: str = "coach") -> tuple[str, object, str]:
    with pytest.raises(ConfigError) as caught:
        validated(Coach, values, where)
    return caught.value.setting, caught.value.value, caught.value.wanted


def test_good_values_make_the_model() -> None:
    assert validated(Coach, {"horses": 4, "wheel": {"diameter_cm": 90}}, "coach").wheel.diameter_cm == 90


def test_an_unknown_key_is_met_with_the_nearest_known_one() -> None:
    said = complaint({"horses": 4, "whel": {}})
    assert said == ("coach.whel", {}, "a known key; did you mean 'wheel'?")


@pytest.mark.parametrize("part", ["wheel", "spare"])
def test_an_unknown_key_in_a_group_is_met_with_the_nearest_of_that_group(part: str) -> None:
    said = complaint({"horses": 4, part: {"diameter": 9}})
    assert said == (f"coach.{part}.diameter", 9, "a known key; did you mean 'diameter_cm'?")


def test_a_key_like_no_other_is_met_with_all_known_ones() -> None:
    assert "known: horses, load, sizes, spare, wheel" in complaint({"horses": 4, "xyzzy": 1})[2]


def test_a_missing_value_is_named_with_the_group_that_needs_it() -> None:
    assert complaint({}) == ("coach.horses", None, "a value; coach cannot do without 'horses'")
    assert complaint({}, "") == ("horses", None, "a value; it cannot do without 'horses'")
    said = complaint({"horses": 4, "load": {}})
    assert said == ("coach.load.mail", None, "a value; coach.load cannot do without 'mail'")


def test_a_wrong_type_is_shown_with_the_right_one() -> None:
    assert complaint({"horses": "four"}) == ("coach.horses", "four", "a valid integer")


def test_the_deepest_wrong_value_is_named_without_the_names_of_types() -> None:
    said = complaint({"horses": 4, "sizes": {"a": ["x", 3]}})
    assert said == ("coach.sizes.a.1", 3, 'a string: quote it, "3"')
    said = complaint({"horses": 4, "sizes": 3})
    assert said == ("coach.sizes", 3, 'a string: quote it, "3" or a valid dictionary')


def test_a_wrong_length_or_form_is_shown_as_what_is_wanted() -> None:
    said = complaint({"horses": 4, "wheel": {"rims": []}})
    assert said == ("coach.wheel.rims", [], "a list with at least 1 item")
    said = complaint({"horses": 4, "wheel": {"plate": "1"}})
    assert said == ("coach.wheel.plate", "1", "a string of pattern '^[A-Z]'")


def test_of_two_wrong_fields_the_first_is_named() -> None:
    assert complaint({"horses": "x", "sizes": {"a": [3]}})[0] == "coach.horses"


def test_a_check_of_the_models_own_is_shown_without_pydantics_words() -> None:
    assert complaint({"horses": 4, "wheel": {"diameter_cm": 0}})[2] == "a point does not roll"


def test_a_config_error_of_the_models_own_is_named_within_its_section() -> None:
    setting, value, wanted = complaint({"horses": 4, "wheel": {"diameter_cm": -1}})
    assert setting.endswith("wheel.diameter_cm")
    assert (setting.partition(".")[0], value, wanted) == ("coach", -1, "more than nothing")
