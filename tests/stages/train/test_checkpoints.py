"""A run's checkpoints: killed while writing, damaged, resharded, not its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.model.load import load_model
from stages.train.loop import weights_digest
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import (
    Run,
    train,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("part", ["write", "commit", "mark"])
def test_killed_inside_a_checkpoint_it_starts_from_the_one_before(run: Run, undisturbed: Run, part: str) -> None:
    assert train(replace(run, die_in=part)) == [-9]
    assert train(run) == [0]
    assert_equal(run, undisturbed)


@pytest.mark.parametrize("damage", ["cut tensors", "flipped bit", "no mark", "no state"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(run: Run, undisturbed: Run, damage: str) -> None:
    assert train(replace(run, die_at=25)) == [-9]
    newest = Path(run.folder) / "work" / "checkpoints" / "step-0000020"
    tensors = next(newest.glob("*.distcp"))
    content = bytearray(tensors.read_bytes())
    if damage == "cut tensors":
        tensors.write_bytes(content[:-100])
    elif damage == "flipped bit":
        content[len(content) // 2] ^= 1
        tensors.write_bytes(content)
    elif damage == "no mark":
        (newest / "complete.json").unlink()
    else:
        (newest / "state.json").unlink()
    assert train(run) == [0]
    assert_equal(run, undisturbed)


def test_killed_while_writing_its_outputs_it_has_no_step_to_repeat(run: Run, undisturbed: Run) -> None:
    assert train(replace(run, die_in="finish")) == [-9]
    assert run.checkpoints[-1] == "step-0000050"
    assert train(run) == [0]
    assert_equal(run, undisturbed)


def test_a_checkpoint_of_another_run_is_refused(run: Run) -> None:
    short = replace(run, config={"steps": 12})
    assert train(replace(short, die_at=11)) == [-9]
    assert train(replace(short, config={"steps": 12, "seed": 2})) == [1]


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
