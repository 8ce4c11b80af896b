"""The plan of a model's eyes: positions of a picture, and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from stages.model.config import ModelConfig
from stages.model.eyes import EyesConfig
from stages.shared.errors import ConfigError

LLAVA: dict[str, Any] = {"encoder": {"picture_size": 336}}
ONEVISION: dict[str, Any] = {"encoder": {"family": "siglip", "picture_size": 384, "layer": -1}}


@pytest.mark.parametrize(
    ("settings", "positions"),
    [
        (LLAVA, 576),
        ({"encoder": {"picture_size": 224}}, 256),
        ({"encoder": {"family": "siglip", "picture_size": 384, "layer": -1}}, 729),
        ({"encoder": {"picture_size": 224, "class_token": True}}, 257),
        ({**LLAVA, "join": {"kind": "qformer"}}, 32),
        ({**LLAVA, "join": {"kind": "abstractor"}}, 65),
        ({"encoder": {"picture_size": 448}, "max_tiles": 6}, 7 * 1024),
        ({"encoder": {"picture_size": 448}, "join": {"kind": "qformer"}, "max_tiles": 6}, 7 * 32),
        ({**LLAVA, "any_resolution": "llava"}, 576 + 36 * 49),
        ({**ONEVISION, "any_resolution": "onevision"}, 729 + 54 * 74),  # as transformers' processor counts
    ],
)
def test_a_picture_takes_the_positions_of_the_join_for_each_of_its_squares(
    settings: dict[str, Any], positions: int
) -> None:
    assert EyesConfig.model_validate(settings).positions((800, 600)) == positions


def test_the_published_eyes_have_their_parameters() -> None:
    eyes = EyesConfig.model_validate(LLAVA)
    assert eyes.num_parameters(4096) == 290_909_184 + 20_979_712
    blind = ModelConfig(dim=4096, num_heads=32)
    assert blind.model_copy(update={"eyes": eyes}).num_parameters(0) == blind.num_parameters(0) + 311_888_896


def test_pixels_are_normalised_as_the_family_of_the_encoder_knows_them() -> None:
    assert EyesConfig().normalisation == "clip"
    assert EyesConfig.model_validate({"encoder": {"family": "siglip", "layer": -1}}).normalisation == "siglip"


def test_a_join_of_another_width_than_the_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"join\.dim = 1024"):
        EyesConfig.model_validate({"encoder": {"dim": 512, "num_heads": 8}, "join": {"kind": "abstractor"}})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"join": {"kind": "qformer"}}, r"eyes.join.kind = 'qformer': must be linear or mlp with eyes.any_resolution"),
        ({"encoder": {"class_token": True}}, r"eyes.encoder.class_token = True: must be False"),
        ({"max_tiles": 4}, r"eyes.max_tiles = 4: must be 1"),
    ],
)
def test_rows_of_features_ask_for_all_of_a_grid(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EyesConfig.model_validate({"any_resolution": "llava", **wrong})


def test_a_newline_is_a_parameter_and_its_absence_changes_no_identity() -> None:
    eyes = EyesConfig.model_validate({**LLAVA, "any_resolution": "llava"})
    assert eyes.num_parameters(4096) == EyesConfig.model_validate(LLAVA).num_parameters(4096) + 4096
    assert EyesConfig(**eyes.model_dump(mode="json")) == eyes
    assert "any_resolution" not in EyesConfig().model_dump(mode="json")
