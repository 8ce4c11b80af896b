"""The lines of `plan` about a training: memory, time, cost, and a faster layout if there is one. Pure."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Gpu, Machine
from stages.shared.numbers import plural, short, size
from stages.train.data.schedule import sizes
from stages.train.planner.cost import PUBLISHED, Cost, PlannedTraining, host_mb, training_cost
from stages.train.planner.rules import NEAREST, nearest
from stages.train.planner.search import Candidate, assess, ranked
from stages.train.planner.shape import Layout
from stages.train.planner.speed import Assumptions

FASTER = 0.95
"""Another layout is worth a line if a step takes less than this share of the time."""


def forecast(training: PlannedTraining, machine: Machine) -> Forecast:
    """Return what a training takes on a machine.

    Raises ConfigError, with the nearest layouts that do work, if the machine has too few GPUs, if the ranks leave GPUs
    of a node idle, if a GPU has too little memory, or if there is none where the layout wants them.
    """
    work, layout = training.work, training.layout
    if machine.gpu is None and layout.cp > 1:
        near = "; ".join(map(str, nearest(work, replace(layout, cp=1, dp=layout.dp * layout.cp))))
        raise ConfigError("layout.cp", layout.cp, f"1 without GPUs (nearest layouts that work: {near})")
    chosen = assess(work, layout, machine)
    if machine.gpu:
        _require_gpus(training, machine, machine.gpu, chosen)
    cost = training_cost(training, chosen.time, machine)
    faster = _faster(training, machine, chosen)
    data = {
        "parameters": work.shape.parameters,
        "vocab_size": work.shape.vocab_size,
        "device": machine.gpu.type if machine.gpu else "cpu",
        "ranks": layout.ranks,
        "layout": _described(layout),
        "steps": training.steps,
        "done": training.first,
        "step_s": chosen.time.total,
        "step_parts_s": chosen.time.parts(),
        "memory_gb": {name: size / 1e9 for name, size in chosen.memory.parts().items()},
        **asdict(cost),
        "tokens_per_day": cost.tokens_per_day,
        "faster": faster and {"layout": _described(faster.layout), "step_s": faster.time.total},
        "assumed": _assumed(training, machine),
    }
    rows = [_memory_row(chosen, machine), _time_row(chosen, cost, machine)]
    if training.first:
        left = training.steps - training.first
        rows.append(("left", f"{left:,} of {training.steps:,} steps: the time and the tokens are theirs"))
    if work.ramp:
        rows.append(_ramp_row(training))
    if machine.gpu:
        rows.append(_cost_row(cost))
    if training.published:
        each = PUBLISHED * training.work.shape.parameters
        text = f"{plural(training.published, 'checkpoint')} with everything, {size(training.published * each)}"
        rows.append(("keeps", text))
    if faster:
        less = 1 - faster.time.total / chosen.time.total
        fits = f"{faster.memory.total / 1e9:.0f} GB"
        rows.append(("faster", f"{_described(faster.layout)}: {less:.0%} less time, in {fits}"))
    rows.append(("assumed", _assumed(training, machine)))
    return Forecast(
        headline=_headline(training, machine, cost),
        rows=tuple(rows),
        hours=cost.hours,
        mem_mb=host_mb(training) if machine.gpu else training.mem_mb,
        data=data,
    )


def _require_gpus(training: PlannedTraining, machine: Machine, gpu: Gpu, chosen: Candidate) -> None:
    work, layout, node = training.work, training.layout, machine.ranks_per_node
    if gpu.count and layout.ranks > gpu.count:
        near = "; ".join(map(str, nearest(work, layout, most=gpu.count)))
        wanted = f"at most the {gpu.count:,} GPUs there are, not {layout.ranks:,} (nearest layouts that work: {near})"
        raise ConfigError("layout", str(layout), wanted)
    if layout.ranks > node and layout.ranks % node:
        near = "; ".join(map(str, nearest(work, layout, multiple=node)))
        wanted = f"ranks that fill nodes of {node} GPUs, not {layout.ranks:,} (nearest layouts that work: {near})"
        raise ConfigError("layout", str(layout), wanted)
    if chosen.refused:
        parts = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in chosen.memory.parts().items())
        wanted = f"one that fits into {gpu.type}; it {chosen.refused} ({parts}). {_fitting(training, machine)}"
        raise ConfigError("layout", _described(layout), wanted)


def _fitting(training: PlannedTraining, machine: Machine) -> str:
    """Return the words for the layouts that fit, those that change least first, then the fastest."""
    found = [each for each in ranked(training.work, training.layout, machine, training.may) if not each.refused]
    if not found:
        return f"No layout of {training.layout.ranks:,} GPUs does: take more of them, or shorter sequences"
    found.sort(key=lambda each: _changes(training.layout, each.layout))
    return f"Nearest layouts that do: {'; '.join(_described(each.layout) for each in found[:NEAREST])}"


def _changes(one: Layout, other: Layout) -> int:
    return sum(getattr(one, field.name) != getattr(other, field.name) for field in fields(Layout))


def _faster(training: PlannedTraining, machine: Machine, chosen: Candidate) -> Candidate | None:
    """Return the fastest layout of as many GPUs, if it is worth the change."""
    if machine.gpu is None:
        return None
    best = ranked(training.work, training.layout, machine, training.may)[0]
    return best if not best.refused and best.time.total < FASTER * chosen.time.total else None


def _headline(training: PlannedTraining, machine: Machine, cost: Cost) -> str:
    ranks = training.layout.ranks
    where = f"{ranks:,} x {machine.gpu.type}" if machine.gpu else f"{ranks} CPU rank{'s' * (ranks != 1)}"
    model = f"{short(training.work.shape.parameters)} parameters on {short(cost.tokens)} tokens"
    return f"{model}, {where}: {_duration(cost.hours)}"


def _memory_row(chosen: Candidate, machine: Machine) -> tuple[str, str]:
    shown = {name: size for name, size in chosen.memory.parts().items() if size > 0.001 * chosen.memory.total}
    total, unit, scale = chosen.memory.total, "GB", 1e9
    if total < 1e9:
        unit, scale = "MB", 1e6
    digits = 1 if total / scale < 100 else 0
    words = {"outside": "outside torch"}
    parts = ", ".join(f"{words.get(name, name)} {size / scale:.{digits}f}" for name, size in shown.items())
    limit = f" of {machine.gpu.memory_gb:g}" if machine.gpu else ""
    return "memory", f"{total / scale:.{digits}f}{limit} {unit} a rank: {parts}"


def _time_row(chosen: Candidate, cost: Cost, machine: Machine) -> tuple[str, str]:
    step, ranks = chosen.time.total, chosen.layout.ranks
    shares = {name: seconds / step for name, seconds in chosen.time.parts().items()}
    parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 0.005)
    size = f"{step:.2f} s" if step >= 0.1 else f"{step * 1e3:.1f} ms"
    speed = f"{short(cost.tokens_per_day)} tokens a day, {cost.tokens_per_s / ranks:,.0f} a second and rank"
    speed += f", {cost.utilisation:.0%} of the peak" if machine.gpu else ""
    return "time", f"{size} a step: {parts}; {speed}"


def _ramp_row(training: PlannedTraining) -> tuple[str, str]:
    work, every = training.work, sizes(training.steps, training.work.global_batch, training.work.ramp)
    ramp = [(size, steps) for size, steps in every if size < work.global_batch]
    share = sum(size * steps for size, steps in ramp) / sum(size * steps for size, steps in every)
    steps = sum(steps for _, steps in ramp)
    text = f"{every[0][0]:,} sequences a step, {every[-1][0]:,} after {steps:,} of {training.steps:,} steps"
    return "ramp", f"{text}, which take {share:.1%} of the tokens; the speed is that of {work.global_batch:,}"


def _cost_row(cost: Cost) -> tuple[str, str]:
    energy = _three_digits(cost.energy_kwh / 1e3, "MWh", "kWh")
    carbon = _three_digits(cost.co2_t, "t", "kg")
    return "cost", f"{cost.gpu_hours:,.0f} GPU-hours, {energy}, {carbon} CO2"


def _assumed(training: PlannedTraining, machine: Machine) -> str:
    gpu = machine.gpu
    assumed = (
        [str(Assumptions()), f"{gpu.watts:g} W a GPU, PUE {gpu.pue:g}"] if gpu else ["what a core was measured to do"]
    )
    if not training.vocab_known:
        assumed.append(f"a vocabulary of {training.work.shape.vocab_size:,}")
    return "; ".join(assumed)


def _described(layout: Layout) -> str:
    return f"{layout} microbatch {layout.microbatch}"


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.1f} days"
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.0f} s"


def _three_digits(value: float, unit: str, thousandth: str) -> str:
    if value < 1:
        value, unit = value * 1e3, thousandth
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
