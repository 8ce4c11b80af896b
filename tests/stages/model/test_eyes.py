"""The plan of a model's eyes: positions of a picture, and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from stages.model.config import ModelConfig
from stages.model.eyes import EyesConfig
from stages.shared.errors import ConfigError

LLAVA: dict[str, Any] = {"encoder": {"picture_size": 336}}


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
