"""The steps of `align.ppo` with `rollout_shards`: each round is an array that samples, then a training that learns.

    sample-1 (an element a shard) -> learn-1 -> sample-2 -> learn-2 -> ...

`learn-2` goes on from the checkpoint of `learn-1`, and samples itself what no shard has sampled. The shards are no part
of an identity. Light: the login node plans with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stages.shared.contract import ALL, PARTS, After, Output, StagePlan, Step
from stages.train.state.names import CHECKPOINTS, step_name, step_of

SAMPLE, LEARN = "sample-", "learn-"
_SAMPLING = 0.5
"""Share of a round's time that sampling takes (assumed, not measured)."""


def number_of(step: str) -> int:
    """Return the number of a step's round, from 0. Names count from 1."""
    return int(step.rpartition("-")[2]) - 1


def checkpoint_in(folder: Path, step: int) -> Path:
    """Return where a unit of `learn` keeps the checkpoint that the next round starts from, after a step."""
    return folder / CHECKPOINTS / step_name(step)


def in_rounds(plan: StagePlan, rounds: range, updates: int, shards: int, ranks: int) -> StagePlan:
    """Return the plan of a training of one step, divided into rounds of so many updates. `rounds` are their numbers.

    A shard is sampled by `ranks` ranks: one replica of the policy.
    """
    (whole,) = plan.steps
    units = tuple(replace(unit, parts=shards) for unit in whole.units)
    steps: list[Step] = []
    for number in rounds:
        before = (After(steps[-1].name, ALL),) if steps else ()
        sample, learn = (f"{name}{number + 1}" for name in (SAMPLE, LEARN))
        share = replace(whole, core_seconds=whole.core_seconds / len(rounds))
        sampling = replace(
            share,
            name=sample,
            run="stages.align.ppo.array:sample",
            units=(),
            after=before,
            ranks=ranks,
            shape="small" if ranks == 1 else "generate",
            core_seconds=_SAMPLING * share.core_seconds / shards,
            disk_mb=1.0,
        )
        learning = replace(
            share, name=learn, run="stages.align.ppo.array:learn", units=units, after=(*before, After(sample, PARTS))
        )
        steps += [sampling, learning]
    outputs = (_output(output, rounds, updates) for output in plan.outputs)
    return StagePlan(steps=tuple(steps), outputs=tuple(outputs))


def _output(output: Output, rounds: Sequence[int], updates: int) -> Output:
    """Return an output with its step: the last one, or for a checkpoint on the way that of the round which it ends."""
    last = rounds[-1] + 1
    ended = step_of(Path(output.name)) // updates if output.during else last
    if ended == last:
        return replace(output, step=f"{LEARN}{last}")
    return replace(output, step=f"{LEARN}{ended}", name=str(checkpoint_in(Path(), ended * updates)), during=False)
