"""Whole trainings: exact, in any layout, through any kill."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.formats.metrics import read_metrics
from stages.formats.reinforcement.rollouts import read_rollouts
from stages.model.checkpoint.reading import describe, read_weights
from tests.stages.train.equal import assert_equal, same_files
from tests.stages.train.ranks import Run, losses, train

ENOUGH = 1e-4
"""As in tests/stages/train/test_layouts.py: nats by which a loss may differ between two layouts."""


def rounds(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.out / "rounds.jsonl").read_text("utf-8").splitlines()]


def work(run: Run) -> Path:
    return Path(run.folder) / "work" / "rounds"


def changed(run: Run, folder: Path, **changes: Any) -> Run:
    return replace(run, folder=str(folder), config={**run.config, **changes})


def test_the_first_ratio_of_each_round_is_exactly_one(undisturbed: Run) -> None:
    rows = read_metrics(undisturbed.out / "metrics.jsonl")
    assert [row["ratio"] for row in rows[::2]] == [1.0, 1.0]
    assert [row["approx_kl"] for row in rows[::2]] == [0.0, 0.0]
    assert all(row["ratio"] != 1.0 for row in rows[1::2])


def test_the_rounds_numbers_and_responses_can_be_read(undisturbed: Run) -> None:
    first, second = rounds(undisturbed)
    assert first["numbers"]["kl"] == 0.0
    assert second["numbers"]["kl"] != 0.0
    assert 0 < first["numbers"]["entropy"] < 6
    assert sum(first["finishes"].values()) == 8
    assert first["numbers"]["score"] == -first["numbers"]["length"]
    assert len(first["samples"]) == 8
    found = read_rollouts(work(undisturbed) / "round-00001" / "rollouts.jsonl")
    assert [rollout.score for rollout in found] == [-len(rollout.tokens) for rollout in found]
    assert {rollout.policy for rollout in found} == {second["policy"]}
    assert len({(rollout.prompt, rollout.sample) for rollout in found}) == 8
    assert len({rollout.tokens for rollout in found}) == 8


def test_killed_twenty_times_in_a_round_it_ends_with_the_same_bytes(undisturbed: Run, tmp_path: Path) -> None:
    run = replace(undisturbed, folder=str(tmp_path / "killed"))
    kills = ["batch"] * 7 + ["episodes"] * 2 + ["write"] * 4 + ["commit"] * 3 + ["mark"] * 2
    for part in kills:
        assert train(replace(run, die_in=part)) == [-9], part
    assert train(replace(run, die_at=3)) == [-9]
    assert train(replace(run, die_at=4)) == [-9]
    assert train(run) == [0]
    assert_equal(run, undisturbed)
    assert same_files(run.out / "average", undisturbed.out / "average")
    assert rounds(run) == rounds(undisturbed)
    assert same_files(work(run), work(undisturbed))


def test_at_a_rate_of_zero_the_weights_stay(undisturbed: Run, tmp_path: Path) -> None:
    run = changed(undisturbed, tmp_path / "still", lr=0.0, value_lr=0.0, steps=2)
    assert train(run) == [0]
    final, untrained, average = (dict(read_weights(run.out / name)) for name in ("final", "untrained", "average"))
    assert all(torch.equal(final[name], untrained[name]) for name in untrained)
    assert all(torch.equal(average[name], untrained[name]) for name in untrained)


def test_on_four_ranks_the_losses_are_those_of_one(undisturbed: Run, tmp_path: Path) -> None:
    split = changed(undisturbed, tmp_path / "split", layout={"tp": 2, "pp": 2}, steps=2)
    assert train(split) == [0] * 4
    assert losses(split) == pytest.approx(losses(undisturbed)[:2], abs=ENOUGH)
    ours, theirs = rounds(split)[0]["numbers"], rounds(undisturbed)[0]["numbers"]
    assert ours == pytest.approx(theirs, abs=ENOUGH)


def test_after_a_kill_it_goes_on_with_two_replicas_from_the_rounds_end(undisturbed: Run, tmp_path: Path) -> None:
    killed = replace(undisturbed, folder=str(tmp_path / "killed"), die_at=3)
    assert train(killed) == [-9]
    start = Path(killed.folder) / "work" / "checkpoints" / "step-0000002"
    pair = changed(undisturbed, tmp_path / "pair", layout={"dp": 2})
    assert train(replace(pair, continue_from=str(start))) == [0, 0]
    assert losses(pair)[-2:] == pytest.approx(losses(undisturbed)[-2:], abs=ENOUGH)
    ours, theirs = rounds(pair)[-1]["samples"], rounds(undisturbed)[-1]["samples"]
    assert [each["text"] for each in ours] == [each["text"] for each in theirs]


def test_a_checkpoint_in_the_midst_of_anothers_round_is_refused_with_the_remedy(
    undisturbed: Run, tmp_path: Path
) -> None:
    start = Path(undisturbed.folder) / "work" / "checkpoints" / "step-0000003"
    run = replace(undisturbed, folder=str(tmp_path / "joined"), continue_from=str(start))
    assert train(run) == [93]
    error = (tmp_path / "joined" / "error-0.txt").read_text("utf-8")
    assert "the episodes of round 1 are not there" in error
    assert "Continue from a step that is a multiple of 2" in error


@pytest.mark.parametrize("advantages", ["group", "leave_one_out"])
def test_groups_need_no_value_network_and_text_is_part_of_the_same_step(
    undisturbed: Run, tmp_path: Path, advantages: str
) -> None:
    given = {"advantages": advantages, "samples": 2, "prompts_per_round": 4, "ptx": {"batch": 2}, "tokens": "x"}
    run = changed(undisturbed, tmp_path / "grouped", **given, steps=2)
    assert train(run) == [0]
    assert not (run.out / "final-value").exists()
    rows = read_metrics(run.out / "metrics.jsonl")
    assert rows[0]["ratio"] == 1.0
    for row in rows:
        assert row["loss"] == pytest.approx(row["policy_loss"] + 27.8 * row["ptx_loss"], rel=1e-5)


def test_where_shorter_is_better_answers_become_half_as_long_and_beta_holds_them_back(
    undisturbed: Run, tmp_path: Path
) -> None:
    lasting = {"prompts_per_round": 32, "global_batch": 32, "microbatch": 16, "rollout_batch": 32}
    learning = {"lr": 3e-3, "value_lr": 3e-3, "ema": None, "checkpoint_every": 100}
    found = {}
    for beta, steps in ((0.0, 16), (5.0, 8)):
        run = changed(undisturbed, tmp_path / str(beta), **lasting, **learning, kl={"beta": beta}, steps=steps)
        assert train(run) == [0]
        found[beta] = [row["numbers"] for row in rounds(run)]
    assert found[0.0][-1]["length"] < found[0.0][0]["length"] / 2
    assert found[5.0][7]["kl"] < found[0.0][7]["kl"] / 2


def test_from_a_reward_model_values_begin_as_its_scores_less_the_demonstrations_mean(
    undisturbed: Run, tmp_path: Path
) -> None:
    reward = tmp_path / "reward"
    shutil.copytree(undisturbed.out / "final-value", reward)
    state = json.loads((reward / "state.json").read_text("utf-8")) | {"reward": {"shift": 3.0, "end_of_context": ""}}
    (reward / "state.json").write_text(json.dumps(state), "utf-8")
    files = json.loads((reward / "complete.json").read_text("utf-8"))
    files["files"]["state.json"] = describe(reward / "state.json")
    (reward / "complete.json").write_text(json.dumps(files), "utf-8")
    starts = {"rule": None, "reward": str(reward), "policy": str(undisturbed.out / "final"), "steps": 2}
    run = changed(undisturbed, tmp_path / "run", **starts)
    assert train(run) == [0]
    with np.load(work(run) / "round-00000" / "episodes.npz") as found:
        rows = np.arange(len(found["last"]))
        assert found["values"][rows, found["last"]].tolist() == found["scores"].tolist()
        assert found["scores"].mean() < -3.0  # those of the rule are about -7
        assert (found["old"] == found["reference"]).all()
    final, untrained = (dict(read_weights(folder)) for folder in (undisturbed.out / "final", run.out / "untrained"))
    assert all(torch.equal(final[name], untrained[name]) for name in final)


def test_a_model_that_scores_nothing_is_no_reward_model(undisturbed: Run, tmp_path: Path) -> None:
    final = str(undisturbed.out / "final")
    run = changed(undisturbed, tmp_path / "run", rule=None, reward=final)
    assert train(run) == [93]
    assert "a model with head lm scores nothing" in (tmp_path / "run" / "error-0.txt").read_text("utf-8")
