"""A training stage's plan: its outputs, and where it may start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.model.config import ModelConfig
from stages.model.huggingface.config import to_config_json
from stages.shared.contract import InputFile, StagePlan
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import write_json
from tests.stages.train.ranking_config import RankingConfig

PAIRS = {"pairs": (InputFile(Path("pairs.jsonl"), "pairs"),)}


def plan(inputs: dict[str, tuple[InputFile, ...]] | None = None, **settings: Any) -> StagePlan:
    return RankingConfig(pairs="x", tokenizer="x", steps=250, **settings).plan(PAIRS | (inputs or {}))


def outputs_of_pretraining(*names: str) -> tuple[InputFile, ...]:
    return tuple(InputFile(Path("pre") / name, name, section="pre") for name in names)


def test_a_training_that_cannot_repeat_itself_is_another_one() -> None:
    assert "deterministic" not in plan().steps[0].uses
    assert "deterministic" in plan(deterministic=False).steps[0].uses
    assert "timeout_min" not in plan(timeout_min=60).steps[0].uses


def test_a_stage_brings_its_data_its_settings_and_its_function() -> None:
    (step,) = plan().steps
    assert (step.run, step.reads) == ("tests.stages.train.ranking:run", ("pairs", "tokenizer"))
    assert {"model", "frozen", "mixture", "seed"} <= set(step.uses)
    assert not {"pairs", "tokenizer", "checkpoint_every", "init_from"} & set(step.uses)


def kept(plan: StagePlan) -> list[tuple[str, str, str]]:
    return [(output.name, output.source, output.kind.name) for output in plan.outputs if output.during]


def test_checkpoints_that_are_kept_are_outputs_during_the_training() -> None:
    assert kept(plan()) == [("step-0000250", "step-250", "state")]
    assert kept(plan(checkpoint_keep_at_end=["best"])) == []
    several = plan(checkpoint_keep_every=100)
    assert kept(several) == [
        ("step-0000100", "step-100", "checkpoint"),
        ("step-0000200", "step-200", "checkpoint"),
        ("step-0000100", "step-100", "state"),
        ("step-0000200", "step-200", "state"),
        ("step-0000250", "step-250", "state"),
    ]
    assert "checkpoint_keep_every" in several.steps[0].uses
    assert several.steps[0].disk_mb > plan().steps[0].disk_mb * 1.5 > plan(checkpoint_keep_at_end=[]).steps[0].disk_mb


def test_of_a_section_the_last_checkpoint_is_continued_or_the_one_that_is_named() -> None:
    section = {"continue_from": outputs_of_pretraining("step-0000100", "step-0000200")}
    for settings, name in (({}, "step-0000200"), ({"continue_step": 100}, "step-0000100")):
        found = plan(section, continue_from="from:pre", **settings)
        (unit,) = found.steps[0].units
        assert [file.source for file in unit.inputs["continue_from"]] == [name]
        assert "continue_from" in found.steps[0].reads
    with pytest.raises(
        ConfigError, match=r"continue_step = 150: must be a step whose checkpoint pre keeps \(for example"
    ):
        plan(section, continue_from="from:pre", continue_step=150)
    with pytest.raises(ConfigError, match="continue_step = 150: must be absent without continue_from"):
        plan(continue_step=150)


def test_what_another_training_has_done_is_no_output_and_no_cost() -> None:
    folder = {"continue_from": (InputFile(Path("there/step-0000200"), "a"),)}
    rest = plan(folder, continue_from="there/step-0000200", checkpoint_keep_every=100)
    assert [name for name, _, _ in kept(rest)] == ["step-0000250"]
    assert rest.steps[0].core_seconds == pytest.approx(plan().steps[0].core_seconds / 5)
    alone = plan(folder, continue_from="there/step-0000200", continue_with="weights")
    assert alone.steps[0].core_seconds == plan().steps[0].core_seconds


def test_where_nothing_is_left_to_do_the_plan_says_so() -> None:
    folder = {"continue_from": (InputFile(Path("there/step-0000250"), "a"),)}
    with pytest.raises(ConfigError, match="steps = 250: must be more than the 250 that continue_from has done"):
        plan(folder, continue_from="there/step-0000250")
    weights = {"continue_from": (InputFile(Path("there/final"), "a"),)}
    with pytest.raises(ConfigError, match=r"continue_from = 'there/final': must be a checkpoint `step-\.\.\.`"):
        plan(weights, continue_from="there/final")
    assert plan(weights, continue_from="there/final", continue_with="weights")


def test_one_folder_to_start_from_is_enough() -> None:
    two = (InputFile(Path("a"), "a"), InputFile(Path("b"), "b"))
    for field in ("init_from", "continue_from"):
        with pytest.raises(ConfigError, match=f"{field} = '\\*': must be one folder, not 2"):
            plan({field: two}, **{field: "*"})
    with pytest.raises(ConfigError, match="init_from = 'a': must be absent with continue_from"):
        plan({"init_from": two[:1], "continue_from": two[:1]}, init_from="a", continue_from="b")


def inspect(folder: Path, field: str, **settings: Any) -> None:
    config = RankingConfig(pairs="x", tokenizer="x", steps=250, **{field: str(folder)}, **settings)
    config.inspect({field: (InputFile(folder, "a"),)})


def test_weights_of_another_shape_are_refused_before_anything_is_queued(tmp_path: Path) -> None:
    model = ModelConfig(num_layers=2, dim=64, num_heads=4)
    described = to_config_json(model, 300, "float32", bos_id=1, eos_id=2)
    write_json(tmp_path / "config.json", described)
    inspect(tmp_path, "init_from", model={"num_layers": 2, "dim": 64, "num_heads": 4})
    with pytest.raises(DataError, match=r"another shape than the recipe's\. Give the section's model num_layers: 2"):
        inspect(tmp_path, "init_from", model={"num_layers": 3, "dim": 64, "num_heads": 4})
    write_json(tmp_path / "config.json", described | {"model_type": "gemma"})
    with pytest.raises(DataError, match=r"model_type 'gemma'\. Use llama or mixtral"):
        inspect(tmp_path, "init_from")
    with pytest.raises(DataError, match=r"config\.json: unreadable"):
        inspect(tmp_path / "absent", "init_from")


def test_a_checkpoint_of_another_shape_too(tmp_path: Path) -> None:
    folder, same = tmp_path / "step-0000100", {"num_layers": 2, "dim": 64, "num_heads": 4}
    with pytest.raises(DataError, match=r"no complete checkpoint \(complete\.json is missing\)"):
        inspect(folder, "continue_from")
    write_json(folder / "complete.json", {})
    write_json(folder / "state.json", {"model": ModelConfig(**same).model_dump(mode="json")})
    inspect(folder, "continue_from", model=same)
    inspect(folder, "continue_from", model=same | {"head": "scalar"}, continue_with="weights")
    for settings in ({"model": same | {"num_layers": 3}}, {"model": same | {"head": "scalar"}}):
        with pytest.raises(DataError, match="another shape than the recipe's"):
            inspect(folder, "continue_from", **settings)


def test_what_transformers_has_not_is_said_with_the_outputs() -> None:
    found = {output.name: dict(output.unfit) for output in plan(model={"norm": "layernorm"}).outputs}
    assert found["final"] == {"release": "model.norm layernorm: LLaMA and Mixtral have rmsnorm"}
