"""A run's checkpoints: killed while writing, damaged, resharded, not its own."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.model.checkpoint.load import load_model
from stages.model.checkpoint.reading import weights_digest
from stages.pretrain.run import run as run_stage
from stages.shared.errors import EXIT_FAILED, DataError, LeaseLost
from stages.shared.files import read_json
from tests.disks import mounted
from tests.stages.model.saved import cut, files_up_to, flip
from tests.stages.train.equal import assert_equal, same_files
from tests.stages.train.ranks import (
    CHECKPOINTED,
    TINY,
    Run,
    being_written,
    make_task,
    train,
    train_through_kills,
)


def checkpoint(run: Run, step: int) -> Path:
    return Path(run.folder) / "work" / "checkpoints" / f"step-{step:07d}"


def attempt(run: Run) -> dict[str, Any]:
    """Run an attempt in this process; return the summary."""
    for name in ("out", "work"):
        (Path(run.folder) / name).mkdir(parents=True, exist_ok=True)
    return run_stage(make_task(run, 0))


@pytest.mark.parametrize("part", ["write", "commit", "mark"])
def test_killed_inside_a_checkpoint_it_starts_from_the_one_before(run: Run, undisturbed: Run, part: str) -> None:
    assert train(replace(run, die_in=part)) == [-9]
    assert train(run) == [0]
    assert_equal(run, undisturbed)


def test_killed_twenty_times_it_ends_with_the_bytes_of_an_undisturbed_run(run: Run, capsys: Any) -> None:
    seed = random.randrange(2**32)
    small = {**TINY["model"], "dim": 32}
    often = replace(run, config={"model": small, "layout": {"dp": 2}, "steps": 80, "checkpoint_every": 2})
    whole = replace(often, folder=run.folder + "-whole", config={**often.config, "checkpoint_every": 1000})
    with capsys.disabled():
        print(f"\nseed {seed}")
    half_written = train_through_kills(often, kills=20, seed=seed)
    with capsys.disabled():
        print(f"{half_written} of 20 kills left a checkpoint half written")
    assert train(whole) == [0, 0]
    assert_equal(often, whole)
    assert half_written >= 3


def test_written_in_the_background_it_has_the_bytes_of_one_written_at_once(run: Run) -> None:
    runs = [
        replace(run, folder=f"{run.folder}-{name}", config={"checkpoint_async": name == "later", "layout": {"dp": 2}})
        for name in ("later", "once")
    ]
    for each in runs:
        assert train(replace(each, stop_at=25)) == [CHECKPOINTED] * 2
        assert each.checkpoints == ["step-0000020", "step-0000025"]
    assert same_files(*(Path(each.folder) / "work" / "checkpoints" for each in runs))


def test_damaged_checkpoints_are_named_and_passed_over(corpus: str, tmp_path: Path, capfd: Any) -> None:
    run = Run(str(tmp_path), corpus, {"steps": 12, "warmup_steps": 2, "checkpoint_every": 3, "checkpoint_keep": 4})
    assert train(replace(run, stop_at=11)) == [CHECKPOINTED]
    assert run.checkpoints == ["step-0000003", "step-0000006", "step-0000009", "step-0000011"]
    cut(checkpoint(run, 11) / "__0_0.distcp")
    flip(checkpoint(run, 9) / ".metadata")  # written in the background, as the next one
    flip(checkpoint(run, 6) / "__0_0.distcp")
    assert attempt(run)["step"] == 12
    said = capfd.readouterr().err
    for step, file in ((11, "__0_0.distcp"), (9, ".metadata"), (6, "__0_0.distcp")):
        assert f"step-{step:07d}: incomplete or damaged checkpoint ({file} is not what was written)" in said
    whole = replace(run, folder=str(tmp_path / "whole"))
    assert train(whole) == [0]
    assert_equal(run, whole)


RISING = {
    **{"model": {**TINY["model"], "dim": 32}, "steps": 9, "lr": 0.3, "warmup_steps": 9},
    **{"heldout_batches": 2, "heldout_every": 3, "checkpoint_every": 4, "checkpoint_keep": 1},
}
"""A loss on what is held out that is lowest after step 3."""


def best(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Path(run.folder) / "work" / "checkpoints" / "best.json")
    return found


def test_the_best_is_marked_kept_through_kills_and_published(run: Run) -> None:
    rising = replace(run, config=RISING)
    whole = replace(rising, folder=run.folder + "-whole")
    assert train(whole) == [0]
    assert whole.checkpoints == ["step-0000003", "step-0000009"]
    assert best(whole)["step"] == 3
    assert load_model(whole.out / "best").step == 3
    assert weights_digest(whole.out / "best", 300) == weights_digest(checkpoint(whole, 3), 300)
    for step in (2, 5, 7):
        assert train(replace(rising, die_at=step)) == [-9]
    assert train(replace(rising, stop_at=8)) == [CHECKPOINTED]
    assert train(rising) == [0]
    assert_equal(rising, whole)
    assert same_files(rising.out / "best", whole.out / "best")
    assert best(rising) == best(whole)


def test_the_best_goes_along_to_another_layout(run: Run) -> None:
    before = replace(run, folder=run.folder + "-before", config=RISING)
    assert train(replace(before, stop_at=7)) == [CHECKPOINTED]
    after = replace(run, config=RISING | {"layout": {"dp": 2}}, continue_from=str(checkpoint(before, 7)))
    assert train(replace(after, die_at=8))[1] == -9
    assert after.checkpoints == ["step-0000003", "step-0000007"]
    assert train(after) == [0, 0]
    assert best(after) == best(before)
    assert weights_digest(after.out / "best", 300) == weights_digest(checkpoint(before, 3), 300)


def test_without_its_best_checkpoint_a_run_ends_with_the_last(run: Run) -> None:
    rising = replace(run, config=RISING)
    assert train(replace(rising, stop_at=8)) == [CHECKPOINTED]
    flip(checkpoint(rising, 3) / "__0_0.distcp")
    assert train(rising) == [0]
    assert load_model(rising.out / "best").step == 9


KEPT: dict[str, Any] = {"steps": 20, "checkpoint_every": 5, "checkpoint_keep": 1, "checkpoint_keep_every": 8}


def test_checkpoints_on_the_way_are_published_once_through_kills(run: Run) -> None:
    kept = replace(run, config=KEPT)
    whole = replace(kept, folder=run.folder + "-whole")
    assert train(whole) == [0]
    assert whole.checkpoints == ["step-0000020"]
    found = sorted(path.name for path in whole.published.iterdir())
    assert found == ["step-0000008", "step-0000016", "step-0000020"]
    assert train(replace(kept, die_in="publish")) == [-9]
    assert load_model(kept.published / "step-0000008").step == 8  # while the training is not over
    assert train(replace(kept, die_at=9)) == [-9]
    assert train(replace(kept, die_at=17)) == [-9]
    assert train(kept) == [0]
    assert_equal(kept, whole)
    assert same_files(kept.published, whole.published)


def test_a_run_continues_from_what_another_published(run: Run) -> None:
    before = replace(run, folder=run.folder + "-before", config=KEPT)
    assert train(before) == [0]
    after = replace(run, config=KEPT, continue_from=str(before.published / "step-0000008"))
    assert train(after) == [0]
    assert weights_digest(after.out / "final", 300) == weights_digest(before.out / "final", 300)
    assert sorted(path.name for path in after.published.iterdir()) == ["step-0000016", "step-0000020"]


def test_a_full_disk_is_one_error_at_the_next_step(run: Run) -> None:
    with files_up_to(150_000), pytest.raises(DataError, match=r"step-0000010: rank 0 cannot write its part") as caught:
        attempt(run)
    assert "Free some space" in str(caught.value)
    assert run.checkpoints == []
    assert [path.name for path in being_written(run)] == [".step-0000010.tmp"]


def test_a_checkpoint_that_finds_no_room_on_a_real_disk_may_find_some_later(run: Run) -> None:
    folder = Path(run.folder) / "work" / "checkpoints"
    with (
        mounted(folder, "100k"),
        pytest.raises(DataError, match=rf"{folder}/step-0000010: .*No space left.*Free some space") as caught,
    ):
        attempt(run)
    assert caught.value.exit_code == EXIT_FAILED, "heal does not meet the same"


def test_what_a_killed_write_left_is_removed_at_the_next_start(run: Run) -> None:
    assert train(replace(run, die_in="write")) == [-9]
    assert [path.name for path in being_written(run)] == [".step-0000010.tmp"]
    assert train(replace(run, stop_at=1)) == [CHECKPOINTED]
    assert being_written(run) == []


def test_who_lost_the_lease_shows_no_checkpoint(run: Run) -> None:
    with pytest.raises(LeaseLost, match="another process has the lease"):
        attempt(replace(run, lost_by=0))
    assert run.checkpoints == []


def test_when_one_rank_lost_the_lease_none_goes_on(run: Run) -> None:
    assert train(replace(run, config={"layout": {"dp": 2}}, lost_by=1)) == [LeaseLost.exit_code] * 2
    assert run.checkpoints == []


def test_a_lease_lost_in_the_middle_leaves_what_the_successor_goes_on_from(run: Run, undisturbed: Run) -> None:
    # Rank 0 looks before a checkpoint's ranks agree to commit it, and again at the commit.
    assert train(replace(run, lost_by=0, lost_at=6)) == [LeaseLost.exit_code]
    assert run.checkpoints == ["step-0000010", "step-0000020"]
    assert train(replace(run, lost_by=0, lost_at=1)) == [LeaseLost.exit_code]
    assert run.checkpoints == ["step-0000010", "step-0000020"]
    assert train(run) == [0]
    assert_equal(run, undisturbed)


def test_killed_while_writing_its_outputs_it_has_no_step_to_repeat(run: Run, undisturbed: Run) -> None:
    assert train(replace(run, die_in="finish")) == [-9]
    assert run.checkpoints[-1] == "step-0000050"
    assert train(run) == [0]
    assert_equal(run, undisturbed)


def test_a_checkpoint_of_another_run_is_refused(run: Run) -> None:
    short = replace(run, config={"steps": 12})
    assert train(replace(short, stop_at=11)) == [CHECKPOINTED]
    assert train(replace(short, config={"steps": 12, "seed": 2})) == [DataError.exit_code]


def test_checkpoint_frequency_changes_no_byte(run: Run, undisturbed: Run) -> None:
    assert train(replace(run, config={"checkpoint_every": 1000})) == [0]
    assert_equal(run, undisturbed)


def test_what_eight_ranks_saved_is_what_one_rank_saves(eight: Run, undisturbed: Run) -> None:
    assert [len(list(run.out.glob("final/*.distcp"))) for run in (eight, undisturbed)] == [4, 1]
    one, other = (weights_digest(run.out / "untrained", 300) for run in (eight, undisturbed))
    assert one == other
    tokens = torch.randint(300, (2, 32), generator=torch.Generator().manual_seed(1))
    ours, theirs = (load_model(run.out / "final").logits(tokens) for run in (eight, undisturbed))
    assert (ours - theirs).abs().max() < 1e-2
    assert (ours - load_model(eight.out / "untrained").logits(tokens)).abs().max() > 1
