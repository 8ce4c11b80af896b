"""Rules of layouts: the one list of them, and the nearest layouts that keep them. Pure.

What divides what is decided here; whether it fits a device's memory is decided in stages/train/planner/search.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.shared.errors import ConfigError
from stages.train.planner.shape import Layout, Shape, Workload, divisors

NEAREST = 3
"""Layouts named in a refusal."""


@dataclass(frozen=True)
class Problem:
    """Why a layout cannot work, in the words of a ConfigError."""

    setting: str
    value: object
    wanted: str


def problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    """Yield what keeps a layout from working on any device, the most telling first."""
    yield from _engine_problems(work, layout)
    yield from _split_problems(work.shape, layout, "model.")
    for other in work.others:
        yield from _split_problems(other.shape, layout, f"the {other.name} model's ")
    yield from _expert_problems(work, layout)
    yield from _sequence_problems(work, layout)
    yield from _batch_problems(work, layout)


def _split_problems(shape: Shape, layout: Layout, model: str) -> Iterator[Problem]:
    """Yield what keeps a model from being split; `model` begins the names of its sizes."""
    for name, whole in (
        ("num_heads", shape.num_heads),
        ("num_kv_heads", shape.num_kv_heads),
        ("ffn_dim", shape.ffn),
    ):
        if whole % layout.tp:
            yield _divides("layout.tp", layout.tp, whole, f"{model}{name}")
    layers, left = divmod(shape.num_layers, layout.pp)
    if left:
        yield _divides("layout.pp", layout.pp, shape.num_layers, f"{model}num_layers")
    elif layout.interleave > 1 and layout.pp == 1:
        yield Problem("layout.interleave", layout.interleave, "1, or layout.pp above 1: there is no other stage")
    elif layers % layout.interleave:
        yield _divides("layout.interleave", layout.interleave, layers, f"{model}num_layers / layout.pp")


def _engine_problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    """Yield what an engine does not have, or has no use for together."""
    if work.engine == "deepspeed":
        for name in ("pp", "ep", "cp", "interleave"):
            if getattr(layout, name) > 1:
                yield Problem(
                    f"layout.{name}", getattr(layout, name), "1 with engine deepspeed: engine megatron has it"
                )
        if "weights" in layout.offload and layout.zero < 3:
            yield Problem("layout.zero", layout.zero, "3 where weights are offloaded")
    elif layout.zero > 1:
        yield Problem("layout.zero", layout.zero, "1 with engine megatron: engine deepspeed has 2 and 3")
    elif "weights" in layout.offload:
        yield Problem("layout.offload", list(layout.offload), "no weights with engine megatron: engine deepspeed can")
    if "activations" in layout.offload and layout.recompute == "selective":
        wanted = "none or full where activations are offloaded: what it forgets would be copied to the host before"
        yield Problem("layout.recompute", layout.recompute, wanted)


def _sequence_problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    """Yield what keeps sequences from being split."""
    length = work.shape.seq_len
    if layout.sp and layout.tp == 1:
        yield Problem("layout.sp", layout.sp, "false, or layout.tp above 1: one process has nothing to split")
    elif layout.sp and length // layout.cp % layout.tp:
        near = max(1, round(length / layout.tp / layout.cp)) * layout.tp * layout.cp
        wanted = f"a multiple of layout.tp ({layout.tp}) with sequence parallelism (for example {near})"
        yield Problem("model.seq_len", length, wanted)
    if layout.cp == 1:
        return
    if not work.causal:
        wanted = "1 with ALiBi or GLM: plain causal attention alone is split"
        yield Problem("layout.cp", layout.cp, wanted)
    elif length % (2 * layout.cp):  # Megatron gives each process two chunks, for balance
        near = max(1, round(length / (2 * layout.cp))) * 2 * layout.cp
        yield Problem("model.seq_len", length, f"a multiple of 2 x layout.cp ({2 * layout.cp}) (for example {near})")


def _batch_problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    """Yield what keeps a batch from being a whole number of microbatches for every rank."""
    unit = layout.microbatch * layout.dp
    if work.global_batch % unit:
        near = max(1, round(work.global_batch / unit)) * unit
        wanted = f"a multiple of microbatch x layout.dp ({layout.microbatch} x {layout.dp}) (for example {near})"
        yield Problem("global_batch", work.global_batch, wanted)
        return
    if work.text % unit:
        near = max(1, round(work.text / unit)) * unit
        wanted = f"a multiple of microbatch x layout.dp ({layout.microbatch} x {layout.dp}) (for example {near})"
        yield Problem("ptx.batch", work.text, wanted)
        return
    if layout.interleave > 1:
        unit *= layout.pp
        if work.global_batch % unit:
            near = max(1, round(work.global_batch / unit)) * unit
            wanted = f"a multiple of microbatch x layout.dp x layout.pp ({unit}) with interleave (for example {near})"
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
        wanted = f"a multiple of what all ranks take at once ({unit}), below global_batch ({full}) (for example {near})"
        yield Problem("ramp.start", ramp.start, wanted)
    elif ramp.increment % unit or (full - ramp.start) % ramp.increment:
        steps = divisors((full - ramp.start) // unit)
        near = min(steps, key=lambda n: abs(n * unit - ramp.increment)) * unit
        wanted = f"a multiple of what all ranks take at once ({unit}) that divides global_batch - ramp.start"
        yield Problem("ramp.increment", ramp.increment, f"{wanted} ({full - ramp.start}) (for example {near})")


def _expert_problems(work: Workload, layout: Layout) -> Iterator[Problem]:
    if work.shape.experts and layout.tp > 1 and not layout.sp:  # Megatron refuses to train that
        yield Problem("layout.tp", layout.tp, "1 with experts, unless layout.sp is on")
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
    return Problem(setting, value, f"a divisor of {name} ({whole}) (for example {near})")


def require(work: Workload, layout: Layout) -> None:
    """Raise ConfigError if a layout cannot work: it says why, and names the nearest layouts that can."""
    for problem in problems(work, layout):
        near = "; ".join(map(str, nearest(work, layout)))
        wanted = f"{problem.wanted} (nearest layouts that work: {near})" if near else problem.wanted
        raise ConfigError(problem.setting, problem.value, wanted)


def splits(work: Workload, like: Layout, ranks: int) -> Iterator[Layout]:
    """Yield every layout of `ranks` processes that keeps the rules, `like` another in what does not split the model."""
    shape, like = work.shape, _possible(work, like)
    for tp in divisors(math.gcd(shape.num_heads, shape.num_kv_heads, shape.ffn)):
        for pp in divisors(shape.num_layers):
            dp, rest = divmod(ranks, tp * pp * like.cp)
            if not dp or rest:
                continue
            ep = math.gcd(like.ep, dp, shape.experts) if shape.experts else 1
            layout = replace(like, tp=tp, pp=pp, dp=dp, ep=ep, sp=(like.sp or shape.experts > 0) and tp > 1)
            for interleave in {like.interleave if pp > 1 else 1, 1}:
                layout = replace(layout, interleave=interleave)
                if not any(problems(work, layout)):
                    yield layout


def _possible(work: Workload, like: Layout) -> Layout:
    """Return a layout without what its engine does not have, or has no use for together."""
    if like.recompute == "selective" and "activations" in like.offload:
        like = replace(like, recompute="none")
    if work.engine == "deepspeed":
        return replace(like, cp=1, ep=1, interleave=1, zero=3 if "weights" in like.offload else like.zero)
    kept = tuple(name for name in like.offload if name != "weights")
    return replace(like, cp=like.cp if work.causal else 1, zero=1, offload=kept)


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
    pairs = ((one.tp, other.tp), (one.pp, other.pp), (one.dp, other.dp), (one.interleave, other.interleave))
    return sum(abs(math.log(a / b)) for a, b in pairs)
