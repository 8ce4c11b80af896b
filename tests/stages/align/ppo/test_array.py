"""Rounds as arrays: the bytes of one job, with any number of shards, through kills, and never with other weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.align.ppo import array
from stages.align.ppo.config import PpoConfig
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import read_rollouts, write_rollouts
from stages.model import parallel
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed, DataError
from tests.stages.align.ppo.world import settings
from tests.stages.harness import make_task, planned_steps, run_stage, run_unit, unit_folder
from tests.stages.train.equal import same_files
from tests.stages.train.ranks import Run

Files = dict[str, tuple[InputFile, ...]]
COUNTED = ("step", "tokens", "loss", "ratio", "clip_share", "value_loss", "lr", "grad_norm")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)
    parallel.stop()


def inputs_of(prompts: Path) -> Files:
    return {
        "prompts": (InputFile(prompts / "prompts.jsonl", "prompts"),),
        "tokenizer": (InputFile(prompts / KINDS.tokenizer.file, "", count=300),),
        "rule": (InputFile(prompts / "rule.json", ""),),
    }


def run_up_to(config: PpoConfig, inputs: Files, folder: Path, last: str) -> None:
    for step in planned_steps(config, inputs):
        for place in range(len(step.units)):
            run_unit(config, step, place, inputs, folder)
        if step.name == last:
            return


def assert_same(out: Path, run: Run) -> None:
    for name in ("final", "average", "untrained", "final-value"):
        assert same_files(out / name, run.out / name), name
    for name in ("weights.sha256", KINDS.rounds.file):
        assert (out / name).read_bytes() == (run.out / name).read_bytes()
    ours, theirs = (
        [json.loads(line) for line in (folder / KINDS.metrics.file).read_text("utf-8").splitlines()]
        for folder in (out, run.out)
    )
    assert [[row[name] for name in COUNTED] for row in ours] == [[row[name] for name in COUNTED] for row in theirs]


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_rounds_as_arrays_of_any_shards_have_the_bytes_of_one_job(
    prompts: Path, undisturbed: Run, tmp_path: Path, shards: int
) -> None:
    run_stage(settings(rollout_shards=shards), inputs_of(prompts), tmp_path)
    assert_same(unit_folder(tmp_path, "learn-2", 0), undisturbed)
    sampled = [*(tmp_path / "steps").glob("sample-*/*/rollouts.jsonl")]
    assert len(sampled) == (0 if shards == 1 else 2 * shards)


def test_a_learner_that_is_asked_to_stop_goes_on_and_a_checkpoint_on_the_way_is_an_output(
    prompts: Path, undisturbed: Run, tmp_path: Path
) -> None:
    config, inputs = settings(rollout_shards=2, checkpoint_keep_every=2), inputs_of(prompts)
    run_up_to(config, inputs, tmp_path, "sample-1")
    learn = planned_steps(config, inputs)[1]
    task = make_task(config, learn, 0, inputs, tmp_path)
    with pytest.raises(Checkpointed):
        array.learn(replace(task, should_stop=lambda: True))
    assert not [*task.out.iterdir()]
    task.out.rmdir()
    for step in planned_steps(config, inputs)[1:]:
        for place in range(len(step.units)):
            run_unit(config, step, place, inputs, tmp_path)
    assert_same(unit_folder(tmp_path, "learn-2", 0), undisturbed)
    assert (unit_folder(tmp_path, "learn-1", 0) / "checkpoints" / "step-0000002" / "state.json").exists()


def test_responses_of_other_weights_are_refused_with_the_remedy(prompts: Path, tmp_path: Path) -> None:
    config, inputs = settings(rollout_shards=2), inputs_of(prompts)
    run_up_to(config, inputs, tmp_path, "sample-1")
    path = unit_folder(tmp_path, "sample-1", 1) / KINDS.rollouts.file
    whole, learn = path.read_text("utf-8"), planned_steps(config, inputs)[1]
    path.write_text(whole.replace('"policy": "', '"policy": "f'), "utf-8")
    with pytest.raises(DataError, match=r"sampled with other weights .* Remove the units of this step"):
        run_unit(config, learn, 0, inputs, tmp_path)
    path.write_text(whole, "utf-8")
    write_rollouts(path, read_rollouts(path)[1:])
    (tmp_path / "attempts" / "learn-1" / "00000").rmdir()
    with pytest.raises(DataError, match="7 responses, which are not those to the 8 prompts of round 0"):
        run_unit(config, learn, 0, inputs, tmp_path)
