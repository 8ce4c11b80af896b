"""The lines of `plan` about a training: memory, time, cost, and a faster layout if there is one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace

from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Gpu, Machine
from stages.shared.numbers import plural, short, size
from stages.train.data.schedule import sizes
from stages.train.planner.cost import PUBLISHED, Cost, PlannedTraining, host_mb, training_cost
from stages.train.planner.phases import CORE_LAYER_SECONDS, LAYER_SECONDS, filling, phase_times, replicas_idle
from stages.train.planner.rules import NEAREST, nearest
from stages.train.planner.search import Candidate, assess, ranked
from stages.train.planner.shape import Layout, Rounds
from stages.train.planner.speed import Assumptions

IDLE = 0.05
"""Share of the replicas' sampling time from which their waiting is worth a word."""
MORE = 16
"""Times as many GPUs as are asked for, among which a layout that fits is looked for if their number has no limit."""
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
    times = phase_times(work, layout, machine)
    phases = {name: cost.hours * time.total / chosen.time.total for name, time in times.items()}
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
        "models_gb": {name: size / 1e9 for name, size in chosen.memory.models.items()},
        "phases_gb": {name: size / 1e9 for name, size in chosen.memory.phases.items()},
        "phases_h": phases,
        **asdict(cost),
        "tokens_per_day": cost.tokens_per_day,
        "faster": faster and {"layout": _described(faster.layout), "step_s": faster.time.total},
        "assumed": _assumed(training, machine),
    }
    return Forecast(
        headline=_headline(training, machine, cost),
        rows=tuple(_rows(training, machine, chosen, cost, phases, faster)),
        hours=cost.hours,
        mem_mb=host_mb(training) if machine.gpu else training.mem_mb,
        data=data,
    )


def _rows(
    training: PlannedTraining,
    machine: Machine,
    chosen: Candidate,
    cost: Cost,
    phases: Mapping[str, float],
    faster: Candidate | None,
) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with its label. `phases` are the hours of each."""
    work = training.work
    yield _memory_row(chosen, machine)
    if work.others:
        yield _models_row(training, chosen)
    yield _time_row(chosen, cost, machine)
    if len(phases) > 1:
        yield _phases_row(chosen, phases)
    if work.rounds:
        yield _rounds_row(training, work.rounds)
    if training.first:
        left = training.steps - training.first
        yield "left", f"{left:,} of {training.steps:,} steps: the time and the tokens are theirs"
    if work.ramp:
        yield _ramp_row(training)
    if machine.gpu:
        yield _cost_row(cost)
    if training.published:
        kept = training.published * PUBLISHED * work.parameters
        yield "keeps", f"{plural(training.published, 'checkpoint')} with everything, {size(kept)}"
    if faster:
        less = 1 - faster.time.total / chosen.time.total
        yield "faster", f"{_described(faster.layout)}: {less:.0%} less time, in {faster.memory.total / 1e9:.0f} GB"
    yield "assumed", _assumed(training, machine)


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
        parts = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in chosen.memory.parts().items() if size)
        models = f"; {_models_row(training, chosen)[1]}" if work.others else ""
        wanted = f"one that fits into {gpu.type}; it {chosen.refused} ({parts}{models}). {_fitting(training, machine)}"
        raise ConfigError("layout", _described(layout), wanted)


def _fitting(training: PlannedTraining, machine: Machine) -> str:
    """Return the words for the layouts that fit, those that change least first, then the fastest."""
    found = _nearest_fitting(training, machine, training.layout)
    if found:
        return f"Nearest layouts that do: {'; '.join(_described(each.layout) for each in found[:NEAREST])}"
    ranks = training.layout.ranks
    lacking = f"No layout of {ranks:,} GPUs does"
    most = machine.gpu.count if machine.gpu and machine.gpu.count else MORE * ranks
    for times in (2**power for power in range(1, 1 + int(math.log2(max(1, most // ranks))))):
        more = replace(training.layout, dp=times * training.layout.dp)
        if found := _nearest_fitting(training, machine, more):
            return f"{lacking}; of {more.ranks:,} this one does: {_described(found[0].layout)}"
    return f"{lacking}: take more of them, or shorter sequences"


def _nearest_fitting(training: PlannedTraining, machine: Machine, like: Layout) -> list[Candidate]:
    """Return the layouts of as many GPUs as `like` that fit, those that change least first, then the fastest."""
    found = [each for each in ranked(training.work, like, machine, training.may) if not each.refused]
    return sorted(found, key=lambda each: _changes(training.layout, each.layout))


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
    moment = f", at most in {chosen.memory.fullest}" if len(chosen.memory.phases) > 1 else ""
    return "memory", f"{total / scale:.{digits}f}{limit} {unit} a rank{moment}: {parts}"


def _models_row(training: PlannedTraining, chosen: Candidate) -> tuple[str, str]:
    """Return the line of what each model keeps on the fullest rank."""
    trained = training.work.trained
    each = (f"{name} {size(kept)}{'' if name in trained else ' frozen'}" for name, kept in chosen.memory.models.items())
    return "models", f"on that rank {', '.join(each)}"


def _phases_row(chosen: Candidate, hours: Mapping[str, float]) -> tuple[str, str]:
    """Return the line of the time of each phase, and of what comes and goes in it."""
    passing = chosen.memory.phases
    each = (f"{name} {_duration(time)}, {size(passing[name])}" for name, time in hours.items())
    return "phases", f"time, and memory beside the models: {'; '.join(each)}"


def _rounds_row(training: PlannedTraining, rounds: Rounds) -> tuple[str, str]:
    """Return the line of the rounds, and of replicas that wait in them."""
    count, longest = training.steps // rounds.updates, training.work.shape.seq_len
    text = f"{plural(count, 'round')} of {plural(rounds.episodes, 'response')}, {plural(rounds.updates, 'update')} each"
    text += f"; responses of {rounds.new_tokens:,} tokens to prompts of {longest - rounds.new_tokens:,}, the longest"
    idle = replicas_idle(rounds, training.layout)
    if idle >= IDLE:
        text += (
            f"; {idle:.0%} of the replicas wait while others sample: rollout_batch {filling(rounds, training.layout)}"
        )
    return "rounds", text


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
    if training.work.rounds:
        seconds = LAYER_SECONDS if gpu else CORE_LAYER_SECONDS
        assumed.append(f"{seconds * 1e3:g} ms a layer of a sampling step beside reads and products")
    assumed += training.assumed
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
