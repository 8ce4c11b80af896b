"""Phases of a step: the time and the operations of every model that takes part, and of sampling. Pure.

A step of one model has one phase, its update. Frozen models read the step's sequences before it. Where the main model
samples them (Rounds), a step has its share of a round: sampling, a forward pass of every model, and the updates.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add

from stages.shared.machine import Machine
from stages.train.planner.memory import FORWARD, SAMPLING, UPDATE, phase_name, stage_weights
from stages.train.planner.shape import Layout, Rounds, Workload
from stages.train.planner.speed import (
    Assumptions,
    Rates,
    StepTime,
    forward_time,
    rates_of,
    update_operations,
    update_time,
)

LAYER_SECONDS = 4e-4
"""Seconds that a layer takes in a sampling step beside its reads and products: starting a dozen kernels, choosing a
token; assumed for GPUs."""
NOTHING = StepTime(compute=0.0, tensor=0.0, pipeline=0.0, data=0.0, optimizer=0.0)
CORE_LAYER_SECONDS = 4e-4
"""The same on a CPU: see stages/train/measurements.md."""


def step_time(work: Workload, layout: Layout, machine: Machine, assume: Assumptions | None = None) -> StepTime:
    """Return the time of a whole step."""
    return reduce(add, phase_times(work, layout, machine, assume).values())


def phase_times(
    work: Workload, layout: Layout, machine: Machine, assume: Assumptions | None = None
) -> dict[str, StepTime]:
    """Return the time of each phase of a step, in their order."""
    found: dict[str, StepTime] = {}
    share = 1.0
    if work.rounds:
        rates, share = rates_of(work, machine, assume or Assumptions()), 1 / work.rounds.epochs
        seconds = _sampling_seconds(work, work.rounds, layout, rates, on_gpu=machine.gpu is not None)
        found[SAMPLING] = replace(NOTHING, sampling=seconds / work.rounds.updates)
    for name, own in work.read_by.items():
        found[phase_name(work, name, FORWARD)] = forward_time(own, layout, machine, assume).times(share)
    for name, own in work.trained.items():
        found[phase_name(work, name, UPDATE)] = update_time(own, layout, machine, assume)
    return found


def phase_operations(work: Workload) -> dict[str, float]:
    """Return the operations that each phase of a step needs: nothing computed twice counts."""
    found: dict[str, float] = {}
    share = 1.0
    if work.rounds:
        share = 1 / work.rounds.epochs
        found[SAMPLING] = _sampling_operations(work, work.rounds) / work.rounds.updates
    for name, own in work.read_by.items():
        token = own.shape.forward_operations + own.shape.attention_operations
        found[phase_name(work, name, FORWARD)] = share * own.tokens * token
    for name, own in work.trained.items():
        found[phase_name(work, name, UPDATE)] = update_operations(own)
    return found


def step_operations(work: Workload) -> float:
    """Return the operations of a whole step."""
    return sum(phase_operations(work).values())


def _sampling_operations(work: Workload, rounds: Rounds) -> float:
    """Return the operations of a round's sampling, if all responses are as long as they may be.

    A prompt passes through the layers once for all of its samples, its last token once for each, the last token of a
    response never. The output layer is for the tokens that are chosen.
    """
    shape, prompt = work.shape, work.shape.seq_len - rounds.new_tokens
    layers = shape.forward_operations - 2 * shape.outputs * shape.dim
    passed = rounds.prompts * (prompt - 1) + rounds.episodes * rounds.new_tokens
    per_key = 4 * shape.num_layers * shape.num_heads * shape.head_dim
    shared, own = _sum_to(prompt - 1), _sum_to(shape.seq_len - 1) - _sum_to(prompt - 1)
    keys = rounds.prompts * shared + rounds.episodes * own
    return passed * layers + rounds.episodes * rounds.new_tokens * 2 * shape.outputs * shape.dim + per_key * keys


def _sum_to(number: int) -> float:
    return number * (number + 1) / 2


def _sampling_seconds(work: Workload, rounds: Rounds, layout: Layout, rates: Rates, *, on_gpu: bool) -> float:
    """Return the seconds of a round's sampling on the busiest replica, if responses are as long as they may be.

    A step gives each of its rows a token. It reads the weights and the rows' caches, or computes, whichever takes
    longer. With pipeline stages the rows are divided into as many groups, which follow each other: a token of all rows
    takes as long as one stage's work for every group.
    """
    shape, sampler = work.shape, rounds.sampler(layout)
    prompt = shape.seq_len - rounds.new_tokens
    rows = min(sampler.rows, rounds.batch) / layout.pp
    weights = max(sum(stage_weights(shape, layout, stage)) for stage in {0, layout.pp - 1})
    read = work.width * weights + sampler.cache / layout.pp * (1 - rounds.new_tokens / 2 / shape.seq_len)
    token = (shape.forward_operations / layout.pp + 2 * shape.attention_operations / layout.pp) / layout.tp
    layers = shape.num_layers / layout.pp
    step = max(read / rates.memory, rows * token / rates.flops)
    step += layers * (LAYER_SECONDS if on_gpu else CORE_LAYER_SECONDS)
    if layout.tp > 1:
        moved = 2 * (layout.tp - 1) / layout.tp * work.width * rows * shape.dim
        step += layers * 2 * moved / rates.collective(layout.tp, 1)
    waves = -(-rounds.batch // max(1, min(sampler.rows, rounds.batch)))
    prefilled = rounds.batch / rounds.samples * prompt * token / rates.flops
    return rounds.turns(layout.dp) * (waves * rounds.new_tokens * layout.pp * step + prefilled)


def replicas_idle(rounds: Rounds, layout: Layout) -> float:
    """Return the share of the replicas' time in which they wait for the busiest one to end its sampling."""
    batches = -(-rounds.episodes // rounds.batch)
    return 1 - batches / (rounds.turns(layout.dp) * layout.dp)


def filling(rounds: Rounds, layout: Layout) -> int:
    """Return the nearest rollout batch that keeps every replica busy, of as many turns as now."""
    return -(-rounds.episodes // (rounds.turns(layout.dp) * layout.dp))
