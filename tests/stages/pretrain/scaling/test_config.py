"""What a scaling law is planned with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.pretrain.scaling.config import ScalingConfig, SizeSettings
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

ABOUT = PlannedModel(model=ModelConfig(), dtype="fp32", tokenizer="").text()
FILES = tuple(InputFile(Path("m.jsonl"), name, about=ABOUT) for name in "abcd")


def test_four_named_trainings_of_the_run_are_needed() -> None:
    config = ScalingConfig(metrics="x")
    assert [step.reads for step in config.plan({"metrics": FILES}).steps] == [("metrics", "tokenizer")]
    with pytest.raises(ConfigError, match="a mapping with 4 trainings or more"):
        config.plan({"metrics": FILES[:3]})
    with pytest.raises(ConfigError, match="a mapping with 4 trainings or more"):
        config.plan({"metrics": (*FILES, FILES[0])})
    with pytest.raises(ConfigError, match="metrics of a section of this run"):
        config.plan({"metrics": (*FILES[:3], replace(FILES[3], about=""))})


def test_sizes_are_written_as_people_write_them() -> None:
    size = SizeSettings.model_validate({"parameters": "7B", "tokens": "1.4T"})
    assert (size.parameters, size.tokens) == (7e9, 1.4e12)
