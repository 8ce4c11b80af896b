"""What a checkpoint holds the training up: written in the background, beside written at once.

Three trainings of the stage `pretrain` in turn, each a process of one computing thread on two cores: without a
checkpoint, with asynchronous ones, with synchronous ones. The stall is what a checkpoint adds to the steps' time on the
clock: all steps from one checkpoint to the last before the next, since the background takes cores, memory and the disk
from the steps that follow.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from tests.bench.compare import Comparison
from tests.bench.train_data import write_batches, write_data, write_weights
from tests.bench.train_speed import CASES, OURS, Case, take_turn

EVERY, STEPS = 8, 33
"""Steps between checkpoints, and of a training: four checkpoints, each followed by its eight steps."""
BASE = replace(CASES[0], cores=2)
SIDES = {
    "none": {"checkpoint_every": STEPS},
    "async": {"checkpoint_every": EVERY, "checkpoint_async": True},
    "sync": {"checkpoint_every": EVERY, "checkpoint_async": False},
}


def comparisons(rounds: int) -> list[Comparison]:
    """Return checkpoints a second of stall, both ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        write_weights(folder / "llama", BASE.model)
        cases = {side: replace(BASE, more={"steps": STEPS, **settings}) for side, settings in SIDES.items()}
        write_batches(folder, folder, cases["none"].settings)
        times: dict[str, list[list[float]]] = {side: [] for side in SIDES}
        for number in range(rounds):
            for side, case in cases.items():
                times[side].append(_measured(case, folder, folder / f"{number}-{side}"))
    step = median(median(each) for each in times["none"])
    stalls = {side: median(_stall(each, step) for each in times[side]) for side in ("async", "sync")}
    share = {side: f"{stall:.2f} s, {stall / step:.0%} of a step" for side, stall in stalls.items()}
    return [
        Comparison(
            name="checkpoints",
            unit="checkpoints a stalled",
            ours=1 / stalls["async"],
            theirs=1 / stalls["sync"],
            against="synchronous",
            asked=1.0,
            note=f"a checkpoint costs {share['async']}; synchronous {share['sync']}",
        )
    ]


def _measured(case: Case, folder: Path, work: Path) -> list[float]:
    return take_turn(OURS, case, folder, folder, work).steps[EVERY:]


def _stall(times: list[float], step: float) -> float:
    """Return the seconds that a checkpoint adds."""
    return (sum(times) - step * len(times)) / (len(times) // EVERY)
