"""A vision encoder's settings: published sizes and counts, and what is refused."""

from __future__ import annotations

import pytest

from stages.model.vision.config import VisionConfig
from stages.shared.errors import ConfigError


@pytest.mark.parametrize(("size", "whole", "used"), [(224, 303_179_776, 290_581_504), (336, 303_507_456, 290_909_184)])
def test_clip_has_its_published_parameters(size: int, whole: int, used: int) -> None:
    config = VisionConfig(picture_size=size)
    assert (config.whole.num_parameters, config.num_parameters) == (whole, used)
    assert VisionConfig(picture_size=size, num_layers=25).num_parameters - used == 12_596_224


@pytest.mark.parametrize(
    ("size", "patch", "features"),
    [(224, 14, 256), (336, 14, 576), (224, 16, 196), (384, 14, 729), (448, 14, 1024), (512, 16, 1024)],
)
def test_a_square_has_its_grids_features(size: int, patch: int, features: int) -> None:
    given = {"picture_size": size, "patch_size": patch}
    assert VisionConfig(**given).num_features == features
    assert VisionConfig(**given, class_token=True).num_features == features + 1
    assert VisionConfig(**given, family="siglip").num_positions == features
    assert VisionConfig(**given).num_positions == features + 1


def test_the_family_decides_what_is_not_given() -> None:
    clip, siglip = VisionConfig(), VisionConfig(family="siglip")
    assert (clip.activation, clip.norm_eps, clip.ffn) == ("quick_gelu", 1e-5, 4096)
    assert (siglip.activation, siglip.norm_eps) == ("gelu_tanh", 1e-6)
    assert VisionConfig(activation="gelu").activation == "gelu"


def test_layers_are_counted_as_hidden_states() -> None:
    built = {layer: VisionConfig(num_layers=4, layer=layer).built_layers for layer in (-5, -2, -1, 0, 3, 4)}
    assert built == {-5: 0, -2: 3, -1: 4, 0: 0, 3: 3, 4: 4}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dim": 100, "num_heads": 16}, r"encoder.dim = 100: must be a multiple of num_heads .*for example 96"),
        ({"patch_size": 300}, r"encoder.patch_size = 300: must be at most picture_size"),
        ({"num_layers": 2, "layer": -4}, r"encoder.layer = -4: must be from -3 to 2"),
        ({"final_norm": True}, r"encoder.final_norm = True: must be false with layer -2"),
        ({"family": "siglip", "class_token": True}, r"encoder.class_token = True: must be false"),
    ],
)
def test_what_cannot_be_built_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VisionConfig.model_validate(wrong)
