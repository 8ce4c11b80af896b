"""config.json of vision encoders: what transformers leaves out, and both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPConfig, SiglipConfig

from stages.model.huggingface.vision.config import from_vision_json, require_same_encoder, to_vision_json
from stages.model.vision.config import VisionConfig
from stages.shared.errors import DataError


@pytest.mark.parametrize(("kind", "theirs"), [("clip", CLIPConfig), ("siglip", SiglipConfig)])
def test_what_a_whole_models_config_leaves_out_is_transformers_default(kind: str, theirs: type) -> None:
    default = theirs().vision_config
    found = from_vision_json({"model_type": kind, "vision_config": {}}, Path("config.json"))
    assert (found.num_layers, found.dim, found.num_heads, found.ffn) == (
        *(default.num_hidden_layers, default.hidden_size, default.num_attention_heads, default.intermediate_size),
    )
    assert (found.picture_size, found.patch_size, found.norm_eps) == (
        *(default.image_size, default.patch_size, default.layer_norm_eps),
    )
    assert to_vision_json(found)["hidden_act"] == default.hidden_act


def test_settings_go_there_and_back() -> None:
    for config in (VisionConfig(ffn_dim=4304, activation="gelu").whole, VisionConfig(family="siglip").whole):
        resolved = config.model_copy(update={"ffn_dim": config.ffn})
        assert from_vision_json(to_vision_json(config), Path("config.json")) == resolved


def test_a_folder_may_lack_layers_that_are_not_built() -> None:
    path, folder = Path("config.json"), VisionConfig(num_layers=23).whole
    require_same_encoder(path, VisionConfig(num_layers=24, layer=-2), folder)
    require_same_encoder(path, VisionConfig(num_layers=23, layer=-2), folder)
    for wanted in (VisionConfig(num_layers=24, layer=-1), VisionConfig(num_layers=22, layer=-1)):
        with pytest.raises(DataError, match=r"encoder section num_layers: 23"):
            require_same_encoder(path, wanted, folder)
