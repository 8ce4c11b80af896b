"""The plan of rounds as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.align.ppo.arrays import checkpoint_in, number_of
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.align.ppo.test_array import inputs_of
from tests.stages.align.ppo.world import settings


def test_a_plan_alternates_and_shards_are_no_part_of_an_identity(prompts: Path) -> None:
    plan = settings(rollout_shards=3, layout={"tp": 2, "dp": 2}, microbatch=1).plan(inputs_of(prompts))
    assert [step.name for step in plan.steps] == ["sample-1", "learn-1", "sample-2", "learn-2"]
    assert [step.ranks for step in plan.steps] == [2, 4, 2, 4]
    assert {unit.parts for step in plan.steps for unit in step.units} == {3}
    assert all("rollout_shards" not in step.uses for step in plan.steps)
    assert {output.step for output in plan.outputs} == {"learn-2"}
    given: dict[str, Any] = {"continue_from": "x", "continue_with": "everything"}
    late = {**inputs_of(prompts), "continue_from": (InputFile(Path("/x/step-0000002"), ""),)}
    plan = settings(rollout_shards=3, **given).plan(late)
    assert [step.name for step in plan.steps] == ["sample-2", "learn-2"]
    with pytest.raises(ConfigError, match="a checkpoint after a multiple of a round's 2 updates"):
        settings(rollout_shards=3, **given).plan({**late, "continue_from": (InputFile(Path("/x/step-0000003"), ""),)})


def test_a_checkpoint_on_the_way_is_an_output_of_the_round_that_it_ends(prompts: Path) -> None:
    outputs = settings(rollout_shards=2, checkpoint_keep_every=2).plan(inputs_of(prompts)).outputs
    kept = {output.source: (output.step, output.file) for output in outputs if output.kind == KINDS.state}
    assert kept == {"step-2": ("learn-1", "checkpoints/step-0000002"), "step-4": ("learn-2", "step-0000004")}
    assert checkpoint_in(Path("x"), 2) == Path("x/checkpoints/step-0000002")
    assert (number_of("sample-1"), number_of("learn-12")) == (0, 11)
