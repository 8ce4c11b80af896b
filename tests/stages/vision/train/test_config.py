"""Settings of `vision.train`: what is refused before anything runs, and what a unit depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.align.sft.config import AlignConfig
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.vision.train.world import SETTINGS, settings

World = Mapping[str, tuple[InputFile, ...]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"eyes": None}}, "model.eyes = None: must be a section with encoder and join"),
        ({"model": {"extra_tokens": SETTINGS["model"]["extra_tokens"][:-1]}}, "<image>"),
        ({"features": "cached"}, "features = 'cached': must be each_step or auto where train has encoder"),
        ({"engine": "deepspeed"}, "engine = 'deepspeed': must be megatron with model.eyes"),
        (
            {"train": ["join"], "continue_from": "x", "model": {"lora": {"rank": 2}}},
            "model.lora.*must be absent where train lacks decoder",
        ),
    ],
)
def test_settings_that_cannot_work_name_themselves(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(**changes)


def test_a_stage_of_text_refuses_eyes() -> None:
    given = {name: value for name, value in SETTINGS.items() if name != "train"}
    with pytest.raises(ConfigError, match=r"model\.eyes.*align\.sft trains on text alone"):
        AlignConfig.model_validate({"chats": "x", "tokenizer": "x", **given})


def planned(model: ModelConfig) -> InputFile:
    about = PlannedModel(model=model, dtype="fp32", tokenizer="").text()
    return InputFile(Path("runs/x/step-0000006"), "step-6", section="start", about=about)


def test_a_frozen_part_comes_from_somewhere(seen: World) -> None:
    config = settings(train=["join"], continue_from="x", continue_with="weights")
    with_eyes = {**seen, "continue_from": (planned(config.model),)}
    config.inspect(with_eyes)
    blind = {**seen, "continue_from": (planned(config.model.model_copy(update={"eyes": None})),)}
    with pytest.raises(ConfigError, match="encoder_from = None"):
        config.inspect(blind)
    settings(train=["join"], continue_from="x", continue_with="weights", encoder_from="y").inspect(blind)


def test_the_encoder_is_one_folder_and_part_of_what_the_training_reads(seen: World) -> None:
    folder = InputFile(Path("clip"), "")
    config = settings(train=["join"], encoder_from="clip")
    training = config.plan({**seen, "encoder_from": (folder,)}).steps[-1]
    assert training.units[0].inputs["encoder_from"] == (folder,)
    assert {"pictures", "encoder_from", "chats", "tokenizer"} <= {*training.reads}
    with pytest.raises(ConfigError, match=r"encoder_from.*one folder"):
        config.plan({**seen, "encoder_from": (folder, replace(folder, path=Path("other")))})


def test_encoding_depends_on_the_eyes_and_not_on_what_is_trained(seen: World) -> None:
    encode, pack, _ = settings().plan(seen).steps
    assert "model.eyes" in encode.uses
    assert "pictures" in encode.reads
    assert "train" not in (*encode.uses, *pack.uses)


def test_a_model_of_text_has_the_settings_that_it_had_before_there_were_eyes() -> None:
    assert "eyes" not in ModelConfig().model_dump(mode="json")
    assert ModelConfig(**ModelConfig().model_dump()) == ModelConfig()
    seeing = settings().model
    assert ModelConfig(**seeing.model_dump(mode="json")) == seeing
