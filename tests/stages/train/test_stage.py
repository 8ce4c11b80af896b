"""A training stage's plan: its outputs, and where it may start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.shared.contract import InputFile, StagePlan
from stages.shared.errors import ConfigError
from tests.stages.train.ranking_config import RankingConfig

PAIRS = {"pairs": (InputFile(Path("pairs.jsonl"), "pairs"),)}


def plan(inputs: dict[str, tuple[InputFile, ...]] | None = None, **settings: Any) -> StagePlan:
    return RankingConfig(pairs="x", tokenizer="x", steps=250, **settings).plan(PAIRS | (inputs or {}))


def outputs_of_pretraining(*names: str) -> tuple[InputFile, ...]:
    return tuple(InputFile(Path("pre") / name, name, section="pre") for name in names)


def test_a_stage_brings_its_data_its_settings_and_its_function() -> None:
    (step,) = plan().steps
    assert (step.run, step.reads) == ("tests.stages.train.ranking:run", ("pairs", "tokenizer"))
    assert {"model", "frozen", "mixture", "seed"} <= set(step.uses)
    assert not {"pairs", "tokenizer", "checkpoint_every", "init_from"} & set(step.uses)


def test_checkpoints_that_are_kept_are_outputs_during_the_training() -> None:
    assert not [output for output in plan().outputs if output.during]
    kept = plan(checkpoint_keep_every=100)
    found = [(output.name, output.source, output.kind.name) for output in kept.outputs if output.during]
    assert found == [("step-0000100", "step-100", "checkpoint"), ("step-0000200", "step-200", "checkpoint")]
    assert "checkpoint_keep_every" in kept.steps[0].uses


def test_a_section_to_continue_from_must_keep_checkpoints() -> None:
    weights = outputs_of_pretraining("final", "untrained")
    with pytest.raises(ConfigError, match=r"resume_from = 'from:pre': must be .* set pre\.checkpoint_keep_every; its"):
        plan({"resume_from": weights}, resume_from="from:pre")
    kept = weights + outputs_of_pretraining("step-0000100", "step-0000200")
    assert "resume_from" in plan({"resume_from": kept}, resume_from="from:pre").steps[0].reads


def test_one_folder_to_start_from_is_enough() -> None:
    two = (InputFile(Path("a"), "a"), InputFile(Path("b"), "b"))
    for field in ("init_from", "resume_from"):
        with pytest.raises(ConfigError, match=f"{field} = '\\*': must be one folder, not 2"):
            plan({field: two}, **{field: "*"})
