"""Losses of two runs, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.formats.metrics import FIELDS, write_metrics
from stages.shared.errors import DataError
from stages.train.run import largest_difference


def write(path: Path, losses: dict[int, float]) -> Path:
    rows: list[dict[str, Any]] = [
        dict.fromkeys(FIELDS, 0) | {"step": step, "loss": loss} for step, loss in losses.items()
    ]
    write_metrics(path, rows)
    return path


def test_the_largest_difference_counts_from_the_first_common_step(tmp_path: Path) -> None:
    ours = write(tmp_path / "ours", {3: 1.5, 4: 1.25})
    theirs = write(tmp_path / "theirs", {1: 9.0, 2: 9.0, 3: 1.5, 4: 1.0})
    assert largest_difference(ours, theirs, 0.5) == 0.25


def test_a_loss_too_far_apart_is_named_and_so_is_one_that_is_no_number(tmp_path: Path) -> None:
    theirs = write(tmp_path / "theirs", {1: 1.0, 2: 1.0})
    for loss in (1.5, float("nan")):
        ours = write(tmp_path / "ours", {1: 1.0, 2: loss})
        with pytest.raises(DataError, match=r"theirs:step 2: loss 1\.000000, here .*: further apart than 0\.1"):
            largest_difference(ours, theirs, 0.1)


def test_runs_of_other_lengths_are_refused(tmp_path: Path) -> None:
    ours, theirs = write(tmp_path / "ours", {1: 1.0, 2: 1.0}), write(tmp_path / "theirs", {1: 1.0})
    with pytest.raises(DataError, match="1 steps, not 2"):
        largest_difference(ours, theirs, 0.1)
