"""Which layouts can work: the one list of rules, and the nearest layouts that keep them. Pure.

What divides what is decided here; whether it fits a device's memory is decided in stages/train/planner/search.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.shared.errors import ConfigError
from stages.train.planner.shape import Layout, Workload, divisors

NEAREST = 3
"""Layouts named in a refusal."""


@dataclass(frozen=True)
class Problem:
    """Why a layout cannot work, in the words of a ConfigError."""

    setting: str
    value: int
    wanted: str


def problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    """Yield what keeps a layout from working on any device, the most telling first."""
    shape = work.shape
    ffn = "model.ffn_dim"
    for setting, whole in (
        ("model.num_heads", shape.num_heads),
        ("model.num_kv_heads", shape.num_kv_heads),
        (ffn, shape.ffn),
    ):
        if whole % layout.tp:
            yield _divides("layout.tp", layout.tp, whole, setting)
    if shape.num_layers % layout.pp:
        yield _divides("layout.pp", layout.pp, shape.num_layers, "model.num_layers")
    elif shape.num_layers // layout.pp % layout.interleave:
        layers = shape.num_layers // layout.pp
        yield _divides("layout.interleave", layout.interleave, layers, "model.num_layers / layout.pp")
    yield from _expert_problems(work, layout)
    if layout.cp > 1 and shape.seq_len % (2 * layout.cp):  # Megatron gives each process two chunks, for balance
        near = max(1, round(shape.seq_len / (2 * layout.cp))) * 2 * layout.cp
        yield Problem("model.seq_len", shape.seq_len, f"a multiple of 2 x layout.cp ({2 * layout.cp}), as {near}")
    unit = layout.microbatch * layout.dp
    if work.global_batch % unit:
        near = max(1, round(work.global_batch / unit)) * unit
        wanted = f"a multiple of microbatch x layout.dp ({layout.microbatch} x {layout.dp}), as {near}"
        yield Problem("global_batch", work.global_batch, wanted)
        return
    if layout.interleave > 1:
        unit *= layout.pp
        if work.global_batch % unit:
            near = max(1, round(work.global_batch / unit)) * unit
            wanted = f"a multiple of microbatch x layout.dp x layout.pp ({unit}) where stages interleave, as {near}"
            yield Problem("global_batch", work.global_batch, wanted)
            return
    yield from _ramp_problems(work, unit)


def _ramp_problems(work: Workload, unit: int) -> Iterator[Problem]:
    """Yield what keeps a growing batch from being a multiple of what all ranks take at once, at each of its sizes."""
    ramp, full = work.ramp, work.global_batch
    if ramp is None:
        return
    if full == unit:
        yield Problem("ramp.start", ramp.start, f"no ramp: global_batch ({full}) is a microbatch of every rank already")
    elif ramp.start % unit or ramp.start >= full:
        near = min(max(1, round(ramp.start / unit)) * unit, full - unit)
        wanted = f"a multiple of what all ranks take at once ({unit}), below global_batch ({full}), as {near}"
        yield Problem("ramp.start", ramp.start, wanted)
    elif ramp.increment % unit or (full - ramp.start) % ramp.increment:
        steps = divisors((full - ramp.start) // unit)
        near = min(steps, key=lambda n: abs(n * unit - ramp.increment)) * unit
        wanted = f"a multiple of what all ranks take at once ({unit}) that divides global_batch - ramp.start"
        yield Problem("ramp.increment", ramp.increment, f"{wanted} ({full - ramp.start}), as {near}")


def _expert_problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    if work.shape.experts and layout.tp > 1 and not layout.sp:  # Megatron refuses to train that
        yield Problem("layout.tp", layout.tp, "1 with experts, but for sequence parallelism")
    if layout.ep == 1:
        return
    if not work.shape.experts:
        yield Problem("layout.ep", layout.ep, "1: the model has no experts")
    elif work.shape.experts % layout.ep:
        yield _divides("layout.ep", layout.ep, work.shape.experts, "the model's experts")
    elif layout.dp % layout.ep:
        yield _divides("layout.ep", layout.ep, layout.dp, "layout.dp")


def _divides(setting: str, value: int, whole: int, name: str) -> Problem:
    near = min(divisors(whole), key=lambda n: abs(n - value))
    return Problem(setting, value, f"a divisor of {name} ({whole}), as {near}")


def require(work: Workload, layout: Layout) -> None:
    """Raise ConfigError if a layout cannot work: it says why, and names the nearest layouts that can."""
    for problem in problems(work, layout):
        near = "; ".join(map(str, nearest(work, layout)))
        raise ConfigError(problem.setting, problem.value, f"{problem.wanted} (nearest layouts that work: {near})")


def splits(work: Workload, like: Layout, ranks: int) -> Iterator[Layout]:
    """Yield every layout of `ranks` processes that keeps the rules, `like` another in what does not split the model."""
    shape = work.shape
    for tp in divisors(math.gcd(shape.num_heads, shape.num_kv_heads, shape.ffn)):
        for pp in divisors(shape.num_layers):
            dp, rest = divmod(ranks, tp * pp * like.cp)
            if dp and not rest:
                layout = replace(like, tp=tp, pp=pp, dp=dp)
                layout = replace(layout, sp=like.sp and tp > 1, interleave=like.interleave if pp > 1 else 1)
                layout = replace(layout, ep=math.gcd(like.ep, dp, shape.experts) if shape.experts else 1)
                if not any(problems(work, layout)):
                    yield layout


def nearest(work: Workload, layout: Layout, *, most: int | None = None, multiple: int = 1) -> list[Layout]:
    """Return the layouts that work and are nearest: of as many processes first, else of the next smaller numbers.

    `most` bounds the processes; they are a `multiple` of something, such as a node's GPUs.
    """
    start = min(layout.ranks, most or layout.ranks) // multiple * multiple
    found: list[Layout] = []
    for ranks in range(start, start // 2, -multiple):
        found += sorted(splits(work, layout, ranks), key=lambda other: _distance(layout, other))
        if len(found) >= NEAREST:
            break
    return found[:NEAREST]


def _distance(one: Layout, other: Layout) -> float:
    pairs = ((one.tp, other.tp), (one.pp, other.pp), (one.dp, other.dp))
    return sum(abs(math.log(a / b)) for a, b in pairs)
