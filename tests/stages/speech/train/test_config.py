"""Settings of `speech.train`: what is refused before anything runs, and what a unit depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from stages.align.sft.config import AlignConfig
from stages.model.config import ModelConfig
from stages.model.senses import is_of_sense
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.vision.train.config import VisionTrainConfig
from tests.stages.speech.train.world import SETTINGS, settings

World = Mapping[str, tuple[InputFile, ...]]
EYES = {"encoder": {"picture_size": 16, "patch_size": 8, "num_layers": 2, "dim": 32, "num_heads": 2}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"ears": None}}, "model.ears = None: must be a section with encoder and join"),
        ({"model": {"extra_tokens": SETTINGS["model"]["extra_tokens"][:-1]}}, "<audio>.*positions of sounds"),
        ({"model": {"eyes": EYES}}, "model.ears.*must be absent with model.eyes: a model sees or hears"),
        ({"ctc": 0.3, "noise": 5.0}, "noise = 5.0: must be 0 with ctc"),
        ({"features": "cached"}, "features = 'cached': must be each_step or auto where train has encoder"),
        ({"engine": "deepspeed"}, "engine = 'deepspeed': must be megatron with model.ears"),
        ({"train": ["join"]}, "encoder_from = None: must be given, or a continue_from with ears"),
    ],
)
def test_settings_that_cannot_work_name_themselves(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(**changes)


def test_other_stages_refuse_ears() -> None:
    given = {name: value for name, value in SETTINGS.items() if name not in ("train", "ctc")}
    with pytest.raises(ConfigError, match=r"model\.ears.*align\.sft trains on text alone"):
        AlignConfig.model_validate({"chats": "x", "tokenizer": "x", **given})
    with pytest.raises(ConfigError, match=r"model\.ears.*vision\.train trains model\.eyes"):
        VisionTrainConfig.model_validate({"chats": "x", "tokenizer": "x", "pictures": "x", "train": ["join"], **given})


def test_encoding_depends_on_the_ears_and_not_on_what_is_trained(heard: World) -> None:
    encode, pack, training = settings().plan(heard).steps
    assert "model.ears" in encode.uses
    assert "sounds" in encode.reads
    assert "sounds" in training.reads
    assert "train" not in (*encode.uses, *pack.uses)


def test_a_model_of_text_has_the_settings_that_it_had_without_ears() -> None:
    assert "ears" not in ModelConfig().model_dump(mode="json")
    hearing = settings().model
    assert ModelConfig(**hearing.model_dump(mode="json")) == hearing


def test_weights_of_encoder_and_join_are_those_of_the_sense() -> None:
    assert [name for name in ("encoder.x", "join.y", "decoder.z", "encoders") if is_of_sense(name)] == [
        "encoder.x",
        "join.y",
    ]
