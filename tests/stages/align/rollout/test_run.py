"""Responses of an array: the bytes of the colocated sampler, with any number of shards and after any kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.align import sampling
from stages.align.rollout.config import RolloutConfig
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import read_rollouts, write_rollouts
from stages.model import parallel
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.align.ppo.world import SETTINGS
from tests.stages.harness import planned_steps, run_stage, run_unit
from tests.stages.train.ranks import Run

ROUND = {"limit": 8, "max_new_tokens": 8, "batch": 1}
"""As in the settings of the colocated run."""


def settings(**changes: Any) -> RolloutConfig:
    given = {"policy": "x", "prompts": "x", "tokenizer": "x", **ROUND, **changes}
    return RolloutConfig.model_validate(given)


def inputs_of(prompts: Path, *policies: Path) -> dict[str, tuple[InputFile, ...]]:
    return {
        "policy": tuple(InputFile(path, path.name) for path in policies),
        "prompts": (InputFile(prompts / "prompts.jsonl", "prompts"),),
        "tokenizer": (InputFile(prompts / KINDS.tokenizer.file, "", count=300),),
    }


@pytest.fixture(autouse=True)
def alone() -> Any:
    yield
    parallel.stop()


def bytes_of(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), path.with_suffix(".npz").read_bytes()


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_an_array_of_any_shards_has_the_bytes_of_the_colocated_sampler(
    prompts: Path, undisturbed: Run, tmp_path: Path, shards: int
) -> None:
    work = Path(undisturbed.folder) / "work"
    folders = [work / "rounds" / f"round-{number:05d}" for number in range(2)]
    for number, policy in enumerate((undisturbed.out / "untrained", work / "checkpoints" / "step-0000002")):
        found = run_stage(settings(round=number, shards=shards), inputs_of(prompts, policy), tmp_path / str(number))
        batches = [each for file in sorted(folders[number].glob("batch-*.jsonl")) for each in read_rollouts(file)]
        write_rollouts(tmp_path / "colocated.jsonl", batches)
        assert len(batches) == SETTINGS["prompts_per_round"]
        assert bytes_of(found["rollouts"][0].path) == bytes_of(tmp_path / "colocated.jsonl")


def test_a_shard_that_is_killed_goes_on_behind_its_last_batch(
    prompts: Path, undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, config = inputs_of(prompts, undisturbed.out / "final"), settings(shards=2)
    whole = run_stage(config, inputs, tmp_path / "whole")["rollouts"][0].path
    write, written = sampling.write_rollouts, [0]

    def dying(path: Path, made: Any) -> None:
        write(path, made)
        written[0] += 1
        if written[0] == 3:
            raise KeyboardInterrupt

    shard, joined = planned_steps(config, inputs)
    monkeypatch.setattr(sampling, "write_rollouts", dying)
    with pytest.raises(KeyboardInterrupt):
        run_unit(config, shard, 0, inputs, tmp_path / "killed")
    (tmp_path / "killed" / "attempts" / "shard" / "00000").rmdir()
    for place in range(2):
        run_unit(config, shard, place, inputs, tmp_path / "killed")
    assert written == [8]
    run_unit(config, joined, 0, inputs, tmp_path / "killed")
    assert bytes_of(tmp_path / "killed" / "steps" / "step" / "00000" / "rollouts.jsonl") == bytes_of(whole)


def test_several_policies_answer_all_prompts_in_order_and_greedily_alike(
    prompts: Path, undisturbed: Run, tmp_path: Path
) -> None:
    config = settings(limit=None, samples=2, temperature=0.0, batch=64)
    files = inputs_of(prompts, undisturbed.out / "untrained", undisturbed.out / "final")
    found = run_stage(config, files, tmp_path)["rollouts"]
    assert [file.source for file in found] == ["untrained", "final"]
    first, second = (read_rollouts(file.path) for file in found)
    assert [each.prompt for each in first] == [each.prompt for each in second]
    assert len(first) == 2 * len({each.prompt for each in first})
    assert [each.tokens for each in first[::2]] == [each.tokens for each in first[1::2]]
    assert {each.policy for each in first}.isdisjoint({each.policy for each in second})
    assert all(each.messages[-1].role == "user" for each in first)


def test_shards_of_two_policies_are_not_joined(prompts: Path, undisturbed: Run, tmp_path: Path) -> None:
    config, inputs = settings(shards=2), inputs_of(prompts, undisturbed.out / "final")
    run_stage(config, inputs, tmp_path)
    path = tmp_path / "steps" / "shard" / "00001" / "rollouts.jsonl"
    others = inputs_of(prompts, undisturbed.out / "untrained")
    written = run_stage(config, others, tmp_path / "other")["rollouts"][0].path
    write_rollouts(path, read_rollouts(written)[4:])
    joined = planned_steps(config, inputs)[1]
    with pytest.raises(DataError, match="sampled with other weights"):
        run_unit(config, joined, 0, inputs, tmp_path)
