"""Settings that cannot work are refused before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.align.ppo.config import PpoConfig
from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import PlannedModel
from stages.shared.contract import Forecast, InputFile
from stages.shared.errors import ConfigError, DataError
from stages.shared.machine import Machine
from tests.stages.align.ppo.world import settings

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rule": None}, "reward = None: must be given"),
    ({"reward": "y"}, "reward = 'y': must be given, or `rule`"),
    ({"ptx": {"batch": 4}}, "tokens = None: must be given with ptx"),
    ({"tokens": "y"}, "tokens = 'y': must be given with ptx"),
    ({"advantages": "group"}, "samples = 1: must be at least 2 with advantages group"),
    ({"model": {"head": "scalar"}}, "model.head = 'scalar'"),
    ({"model": {"extra_tokens": []}}, "model.extra_tokens"),
    ({"max_new_tokens": 48}, "max_new_tokens = 48: must be less than model.seq_len"),
    ({"engine": "deepspeed"}, "engine = 'deepspeed': must be megatron"),
    ({"continue_with": "weights"}, "continue_with"),
    ({"ramp": {"start": 2, "increment": 2, "sequences": 4}}, "ramp"),
    ({"guard": {"on_spike": "skip"}}, "guard.on_spike = 'skip'"),
    ({"z_loss": 1e-4}, "z_loss"),
    ({"prompts_per_round": 6}, "global_batch = 4: must be a divisor of prompts_per_round x samples (6)"),
    ({"steps": 5}, "steps = 5: must be a multiple of a round's 2 updates (for example 4)"),
    ({"checkpoint_keep_every": 1}, "checkpoint_keep_every = 1"),
    ({"ptx": {"batch": 3}, "tokens": "y"}, "ptx.batch = 3"),
    ({"lr": 0.0, "value_lr": 1e-5}, "value_lr"),
    ({"init_from": "y"}, "init_from"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_it_is_refused_with_the_setting_and_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p"])
def test_responses_are_sampled_from_the_policy_itself(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        settings(**{name: 1})


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_of_zero_is_refused(horizon: float) -> None:
    with pytest.raises(ValidationError, match="horizon"):
        settings(kl={"target": 6, "horizon": horizon})


def test_the_warm_up_begins_with_a_share_and_text_is_part_of_the_batch() -> None:
    config = settings(steps=40, lr=1.0, warmup_steps=10, ptx={"batch": 4}, tokens="y")
    assert [config.schedule.learning_rate(1 + done) for done in (0, 5, 10, 39)] == pytest.approx([0.1, 0.55, 1, 1])
    assert config.schedule.batch_size(0) == 8
    assert (config.episodes, config.updates) == (8, 2)


def test_a_reward_model_of_the_run_that_scores_nothing_is_refused_before_anything_runs() -> None:
    config = settings(rule=None, reward="from:sft")
    about = PlannedModel(model=config.model, dtype="fp32", tokenizer="/runs/tokenizer.model").text()
    file = InputFile(Path("/runs/steps/sft/units/all/final"), "final", section="sft", about=about)
    config.model_copy(update={"reward": None}).inspect({"policy": (file,)})
    with pytest.raises(DataError, match="a model with head lm scores nothing"):
        config.inspect({"reward": (file,)})
    other = settings(policy="from:sft", model={"dim": 128})
    with pytest.raises(DataError, match="dim"):
        other.inspect({"policy": (file,)})


def forecast(config: PpoConfig, inputs: Mapping[str, tuple[InputFile, ...]] | None = None) -> Forecast:
    found = config.forecast("", inputs or {}, Machine())
    assert found is not None
    return found


def test_the_forecast_has_every_model_and_every_phase() -> None:
    found = forecast(settings(rule=None, reward="y"))
    assert [*found.data["models_gb"]] == ["policy", "value", "reward", "reference"]
    forward = ("reward forward", "reference forward", "policy forward", "value forward")
    assert [*found.data["phases_h"]] == ["sampling", *forward, "policy update", "value update"]
    assert sum(found.data["phases_h"].values()) == pytest.approx(found.hours)
    assert "a reward model of the policy's shape" in dict(found.rows)["assumed"]
    assert dict(found.rows)["rounds"].startswith("2 rounds of 8 responses, 2 updates each; responses of 8 tokens to ")
    ruled = forecast(settings())
    assert [*ruled.data["models_gb"]] == ["policy", "value", "reference"]
    grouped = forecast(settings(advantages="group", samples=2, steps=4))
    assert [*grouped.data["models_gb"]] == ["policy", "reference"]
    assert "value update" not in grouped.data["phases_h"]
    assert ruled.data["memory_gb"]["average"] > 0
    without = settings().model_copy(update={"ema": None})
    assert forecast(without).data["memory_gb"]["average"] == 0


def test_the_forecast_has_the_shape_of_the_reward_model_that_is_given() -> None:
    config = settings(rule=None, reward="from:reward")
    larger = config.model.model_copy(update={"head": "scalar", "num_layers": 40})
    about = PlannedModel(model=larger, dtype="fp32", tokenizer="/runs/tokenizer.model").text()
    path = Path("/runs/steps/reward/units/all/final")
    found = forecast(config, {"reward": (InputFile(path, "final", section="reward", about=about),)})
    small = forecast(config)
    assert found.data["models_gb"]["reward"] > 1.3 * small.data["models_gb"]["reward"]
    assert found.data["models_gb"]["value"] > 1.3 * small.data["models_gb"]["value"]
    assert "a reward model of" not in dict(found.rows)["assumed"]


def test_replicas_that_wait_while_others_sample_are_named_with_the_batch_that_fills_them() -> None:
    found = forecast(settings(layout={"dp": 2}, rollout_batch=8))
    assert dict(found.rows)["rounds"].endswith("50% of the replicas wait while others sample: rollout_batch 4")
    filled = forecast(settings(layout={"dp": 2}, rollout_batch=4))
    assert "wait" not in dict(filled.rows)["rounds"]


def test_the_final_checkpoint_of_a_section_is_the_policy() -> None:
    def made(name: str) -> InputFile:
        return InputFile(Path(f"/runs/steps/sft/units/all/{name}"), name, kind=KINDS.checkpoint.name, section="sft")

    config = settings(policy="from:sft")
    (step,) = config.plan({"policy": (made("final"), made("untrained"), made("best")), "rule": (), "prompts": ()}).steps
    assert step.units[0].inputs["policy"] == (made("final"),)
    assert {"policy", "rule", "prompts", "tokenizer"} == {*step.reads}
    names = [output.name for output in config.plan({}).outputs]
    assert {"final", "untrained", "average"} <= {*names}
