"""Planted bad batches on real ranks: recorded, left out, and nothing of them stays."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from stages.shared.errors import EXIT_NEVER
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import CHECKPOINTED, DEEP, Run, digest, left_out, losses, train

SKIP = {"guard": {"window": 8}}
ROLLBACK = {"guard": {"window": 8, "on_spike": "rollback", "rollback_every": 10}}
LONG = {"steps": 120, "checkpoint_every": 20}


def finished(run: Run, name: str, **changes: Any) -> Run:
    """Run to the end in a folder of its own."""
    made = replace(run, folder=f"{run.folder}-{name}", **changes)
    assert set(train(made)) == {0}
    return made


def last_losses(run: Run) -> float:
    return mean(losses(run)[-10:])


@pytest.fixture(scope="module")
def seeds(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Mean of the last ten losses of four clean runs, which differ in their seed."""
    folder = str(tmp_path_factory.mktemp("seeds") / "run")
    runs = [finished(Run(folder, corpus, {**LONG, **SKIP, "seed": seed}), str(seed)) for seed in (1, 2, 3, 4)]
    assert not any(map(left_out, runs))
    return [last_losses(run) for run in runs]


@pytest.mark.parametrize("guard", [SKIP, ROLLBACK], ids=["skip", "rollback"])
def test_after_bad_batches_the_loss_is_within_the_noise_of_clean_runs(
    run: Run, seeds: list[float], guard: dict[str, Any]
) -> None:
    bad = finished(replace(run, config={**LONG, **guard}, bad={"64": "noise", "90": "layer"}), "bad")
    spike, infinite = left_out(bad)
    assert (spike["step"], spike["left_out"], spike["sequences"]) == (64, "spike", [504, 511])
    assert spike["loss"] > 5
    assert spike.get("back_to") == (60 if guard is ROLLBACK else None)
    assert (infinite["step"], infinite["left_out"]) == (90, "not finite")
    assert math.isnan(infinite["loss"])
    assert "layers.1.mlp.linear_fc1, output: 16,384 infinite of 16,384 numbers (rank 0)" in infinite["why"]
    print(f"last ten losses: {last_losses(bad):.4f}, clean {seeds[0]:.4f}, four seeds' deviation {stdev(seeds):.4f}")
    assert abs(last_losses(bad) - seeds[0]) < stdev(seeds)


def test_a_guard_that_finds_nothing_changes_nothing(run: Run, undisturbed: Run) -> None:
    assert_equal_weights(finished(replace(run, config=SKIP), "watched"), undisturbed)


def test_a_skipped_batch_leaves_nothing_whatever_was_in_it(run: Run) -> None:
    noise = finished(replace(run, config=SKIP, bad={"30": "noise"}), "noise")
    assert_equal_weights(finished(replace(run, config=SKIP, bad={"30": "layer"}), "layer"), noise)


def test_killed_after_a_skip_it_ends_with_the_same_bytes(run: Run) -> None:
    # The second batch is judged by losses that the checkpoint of step 30 holds.
    bad = replace(run, config=SKIP, bad={"28": "noise", "34": "noise"})
    whole = finished(bad, "whole")
    assert [row["step"] for row in left_out(whole)] == [28, 34]
    assert train(replace(bad, die_at=29)) == [-9]
    assert train(replace(bad, die_at=33)) == [-9]
    assert train(bad) == [0]
    assert_equal(bad, whole)
    assert [row["why"] for row in left_out(bad)] == [row["why"] for row in left_out(whole)]


def test_a_rollback_leaves_out_all_batches_since_its_checkpoint_through_stops_and_kills(run: Run) -> None:
    skipped = finished(replace(run, config=SKIP, bad={str(step): "noise" for step in (31, 32, 33)}), "skipped")
    bad = replace(run, config={**ROLLBACK, "checkpoint_every": 50}, bad={"33": "noise"})
    whole = finished(bad, "whole")
    assert_equal_weights(whole, skipped)
    for step in (31, 32, 36):
        assert train(replace(bad, stop_at=step)) == [CHECKPOINTED]
    assert train(replace(bad, die_at=37)) == [-9]
    assert train(bad) == [0]
    assert_equal(bad, whole)


def test_four_ranks_leave_out_the_same_batches_and_name_the_layer_and_the_rank(run: Run) -> None:
    bad = replace(run, config={**SKIP, "model": DEEP, "steps": 32}, bad={"15": "layer", "29": "noise"})
    split = finished(replace(bad, config={**bad.config, "layout": {"tp": 2, "pp": 2}}), "split")
    infinite, spike = left_out(split)
    assert "layers.1.mlp.linear_fc1, output: 8,192 infinite of 8,192 numbers (rank 1); input and" in infinite["why"]
    assert (spike["step"], spike["left_out"]) == (29, "spike")
    ours, theirs = (losses(run)[:14] + losses(run)[15:] for run in (split, finished(bad, "one")))
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 1e-4


def test_a_bad_weight_ends_the_run_and_is_named_with_the_checkpoint_before(run: Run) -> None:
    assert train(replace(run, config=SKIP, bad={"25": "weight"})) == [EXIT_NEVER]
    said = (Path(run.folder) / "error-0.txt").read_text()
    assert "layers.1.mlp.linear_fc2.weight: 1 nan of 8,192 numbers (rank 0)" in said
    assert "checkpoints/step-0000020" in said


def test_with_rollback_a_bad_weight_is_taken_back(run: Run) -> None:
    healed = finished(replace(run, config=ROLLBACK, bad={"25": "weight"}), "healed")
    assert [row["back_to"] for row in left_out(healed)] == [20]
    skipped = {str(step): "layer" for step in range(21, 26)}
    assert_equal_weights(healed, finished(replace(run, config=SKIP, bad=skipped), "skipped"))


def test_more_bad_batches_in_a_row_than_allowed_end_the_run(run: Run) -> None:
    config = {"guard": {"window": 8, "most": 2}}
    assert train(replace(run, config=config, bad={str(step): "noise" for step in range(30, 40)})) == [EXIT_NEVER]
    assert [row["step"] for row in left_out(run)] == [30, 31, 32]
    said = (Path(run.folder) / "error-0.txt").read_text()
    assert "step 32: 3 batches in a row were left out" in said


def assert_equal_weights(run: Run, other: Run) -> None:
    assert digest(run) == digest(other)
