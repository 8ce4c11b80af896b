"""The plan of `align.rollout`: its units, and what they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.align.rollout.config import RolloutConfig
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.align.sft.world import CONTROLS, MODEL


def settings(**changes: Any) -> RolloutConfig:
    return RolloutConfig.model_validate({"policy": "x", "prompts": "x", "tokenizer": "x", **changes})


def checkpoint(name: str, source: str = "", **changes: Any) -> InputFile:
    model = ModelConfig(**{**MODEL, "extra_tokens": [*CONTROLS], **changes})
    about = PlannedModel(model=model, dtype="fp32", tokenizer="").text()
    return InputFile(Path("/run/units/all") / name, source or name, section="sft", about=about)


FILES = {"policy": (checkpoint("final"), checkpoint("untrained"), checkpoint("step-0000020", "step-20"))}


def test_a_section_answers_with_its_final_checkpoint_and_with_those_that_are_named() -> None:
    assert [unit.key for unit in settings().plan(FILES).steps[1].units] == ["final"]
    several = settings(checkpoints=["step-20", "final"]).plan(FILES)
    assert [unit.key for unit in several.steps[1].units] == ["final", "step-20"]
    assert [output.source for output in several.outputs] == ["final", "step-20"]
    named = {"policy": (checkpoint("final", "ppo/final"), checkpoint("final", "sft/final"))}
    assert [unit.key for unit in settings().plan(named).steps[1].units] == ["ppo/final", "sft/final"]
    outside = {"policy": (InputFile(Path("/data/one"), ""), InputFile(Path("/data/two"), ""))}
    assert [*settings().chosen(outside["policy"])] == ["one", "two"]


def test_a_checkpoint_that_the_section_lacks_is_an_error_with_those_that_it_has() -> None:
    with pytest.raises(ConfigError, match="did you mean 'final'"):
        settings(checkpoints=["finale"]).plan(FILES)


def test_the_number_of_shards_and_the_layout_are_no_part_of_an_identity() -> None:
    (shard, whole) = settings(shards=3).plan(FILES).steps
    assert {"shards", "layout"}.isdisjoint(whole.uses)
    assert (shard.uses, shard.reads, shard.data) == (whole.uses, whole.reads, whole.data)
    assert whole.units[0].parts == 3
    assert whole.mem_mb > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"round": 2}, "limit = None: must be a number of prompts with `round`"),
        ({"checkpoints": []}, "checkpoints"),
        ({"top_p": 0}, "top_p"),
    ],
)
def test_settings_that_cannot_work_are_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        settings(**changes)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ({"head": "scalar"}, {}, "a model that answers, not one with head scalar"),
        ({"extra_tokens": []}, {}, "it lacks the tokens"),
        ({}, {"max_new_tokens": 64}, "less than the 64 tokens of sft/final"),
        ({}, {"layout": {"tp": 3}, "max_new_tokens": 8}, "layout.tp = 3"),
    ],
)
def test_policies_that_cannot_answer_are_errors(model: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(**changes).inspect({"policy": (checkpoint("final", **model),)})
