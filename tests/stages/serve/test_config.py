"""The plan of `serve`: its models by name, and what they depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.serve.config import ServeConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.serve.world import SHAPE, settings


def checkpoint(name: str, source: str = "", head: str = "lm") -> InputFile:
    about = PlannedModel(model=ModelConfig(**SHAPE, head=head), dtype="fp32", tokenizer="").text()  # type: ignore[arg-type]
    return InputFile(Path("/run/units/all") / name, source or name, section="sft", about=about)


SECTION = tuple(map(checkpoint, ("untrained", "step-20", "final")))
TOKENIZER = (InputFile(Path("/data/tokenizer.model"), "", count=300),)


def test_models_are_named_by_section_and_the_final_one_comes_first() -> None:
    assert [*settings().chosen(SECTION)] == ["sft/final"]
    assert [*settings(checkpoints=[]).chosen(SECTION)] == ["sft/final", "sft/untrained", "sft/step-20"]
    mixed = (checkpoint("final", "ppo/final"), InputFile(Path("/data/mine"), ""), InputFile(Path("/x/y"), "named"))
    assert [*settings().chosen(mixed)] == ["ppo/final", "mine", "named"]


def test_the_plan_is_one_service_with_its_address() -> None:
    plan = settings().plan({"models": SECTION, "tokenizer": TOKENIZER})
    (step,), (output,) = plan.steps, plan.outputs
    assert (step.is_service, step.shape, output.kind.name, output.during) == (True, "serve", "endpoint", True)
    assert 500 < step.mem_mb < 1000


def test_settings_that_cannot_work_are_errors() -> None:
    inputs = {"models": SECTION, "tokenizer": TOKENIZER}
    with pytest.raises(ConfigError, match="did you mean 'final'"):
        settings(checkpoints=["finale"]).plan(inputs)
    with pytest.raises(ConfigError, match="exactly one tokenizer file, found 0"):
        settings().plan({"models": SECTION})
    with pytest.raises(ConfigError, match=r"a checkpoint \(for example from:sft\)"):
        settings().plan({"tokenizer": TOKENIZER})
    with pytest.raises(ConfigError, match="corpus = None: must be documents to search"):
        ServeConfig.model_validate({"models": "x", "tokenizer": "x", "toolbox": ["search"]}).plan(inputs)
    with pytest.raises(ConfigError, match="left out: no tool searches them"):
        settings(corpus="x").plan(inputs)
    with pytest.raises(ConfigError, match="not one with head scalar"):
        settings().inspect({"models": (checkpoint("final", head="scalar"),)})
