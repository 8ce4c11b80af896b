"""Every layout of so many processes, with its memory and its time: what fits, the fastest first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import product

from stages.shared.machine import Machine
from stages.train.planner.memory import Memory, device_memory
from stages.train.planner.phases import step_time
from stages.train.planner.rules import problems
from stages.train.planner.shape import Layout, Recompute, Workload, divisors
from stages.train.planner.speed import StepTime

RESERVE = 0.06
"""Share of a device's memory that a proposal leaves free: the prediction's own error."""
MICROBATCHES = (1, 2, 4, 8, 16)
INTERLEAVES = (1, 2, 4)
RECOMPUTES: tuple[Recompute, ...] = ("none", "selective", "full")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A layout with what it would take."""

    layout: Layout
    memory: Memory
    time: StepTime
    refused: str = ""
    """Why it cannot be used; "" if it can."""


def assess(work: Workload, layout: Layout, machine: Machine, reserve: float = 0.0) -> Candidate:
    """Return one layout's memory and time, and why it is refused: a rule that it breaks, or too little memory."""
    memory = device_memory(work, layout, on_gpu=machine.gpu is not None)
    refused = next((f"{p.setting} = {p.value}: must be {p.wanted}" for p in problems(work, layout)), "")
    if not refused and machine.gpu and memory.total > (1 - reserve) * machine.gpu.memory_gb * 1e9:
        refused = f"takes {memory.total / 1e9:.1f} of {machine.gpu.memory_gb:g} GB"
    return Candidate(layout=layout, memory=memory, time=step_time(work, layout, machine), refused=refused)


def ranked(work: Workload, like: Layout, machine: Machine, may: Collection[str]) -> list[Candidate]:
    """Return every layout on as many processes as `like` has: those that fit by time, then the refused ones.

    `may` names what may be changed, of tp, pp, dp, microbatch, sp, interleave, ep and recompute; the rest, and the
    global batch, stay as in `like`. Tensor parallelism stays within a node. Of equally fast layouts the one that takes
    less memory comes first.
    """
    found = [assess(work, layout, machine, RESERVE) for layout in _layouts(work, like, machine, may)]
    return sorted(found, key=lambda each: (bool(each.refused), round(each.time.total, 4), each.memory.total))


def _layouts(work: Workload, like: Layout, machine: Machine, may: Collection[str]) -> Iterator[Layout]:
    def over(name: str, values: Collection[int]) -> Collection[int]:
        return values if name in may else (getattr(like, name),)

    recomputes = RECOMPUTES if "recompute" in may else (like.recompute,)
    ranks = like.ranks // like.cp
    for tp in over("tp", [n for n in divisors(ranks) if n <= machine.ranks_per_node]):
        for pp in over("pp", [n for n in divisors(ranks // tp) if n <= work.shape.num_layers]):
            dp = ranks // (tp * pp)
            sp = tp > 1 if "sp" in may else like.sp and tp > 1
            experts = over("ep", [n for n in divisors(dp) if work.shape.experts % n == 0])
            interleaves = over("interleave", INTERLEAVES) if pp > 1 else (1,)
            micro = over("microbatch", MICROBATCHES)
            for ep, interleave, microbatch, recompute in product(
                experts if work.shape.experts else (1,), interleaves, micro, recomputes
            ):
                split = replace(like, tp=tp, pp=pp, dp=dp, sp=sp, ep=ep, interleave=interleave)
                yield replace(split, microbatch=microbatch, recompute=recompute)
