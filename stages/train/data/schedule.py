"""Batch size and learning rate of each step: pure functions of the step, with nothing to save or restore."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stages.train.sections import LrScheduleConfig, RampConfig


@dataclass(frozen=True)
class _Level:
    """Steps that have one batch size."""

    size: int
    first_step: int
    sequences: int
    """Taken before the first step."""


@cache
def _levels(global_batch: int, ramp: RampConfig | None) -> tuple[_Level, ...]:
    """Return the batch's sizes, in order.

    As Megatron-LM's --rampup-batch-size: with n increments from start to global_batch, the size of a step is start +
    increment x the whole n-ths of ramp.sequences that were taken before it.
    """
    made: list[_Level] = []
    step = taken = 0
    increments = (global_batch - ramp.start) // ramp.increment if ramp else 0
    for number in range(increments):
        assert ramp is not None
        size = ramp.start + number * ramp.increment
        left = (number + 1) * ramp.sequences - taken * increments  # n-ths of a sequence
        if left > 0:
            made.append(_Level(size, step, taken))
            steps = math.ceil(left / (size * increments))
            step, taken = step + steps, taken + steps * size
    return (*made, _Level(global_batch, step, taken))


@dataclass(frozen=True)
class Sequences:
    """Numbers of sequences in the order of the data."""

    taken: int
    planned: int
    """Those for which the order is drawn, since it depends on their number; 0: those taken."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Batch sizes and learning rates of a training's steps. The settings are TrainingConfig's, by the same names."""

    steps: int
    global_batch: int
    ramp: RampConfig | None
    lr: float
    warmup_steps: int
    min_lr_ratio: float
    lr_schedule: LrScheduleConfig
    earlier_steps: tuple[int, ...]
    warmup_from: float = 0.0
    """Share of lr that the first step has, where it is above 0; the step after the warm-up has lr. Without a ramp."""

    @property
    def ordered_steps(self) -> int:
        """Steps that the order of the data is drawn for."""
        return (*self.earlier_steps, self.steps)[0]

    @property
    def plans(self) -> tuple[int, ...]:
        """Steps that the learning rate is planned over, plan after plan."""
        return self.lr_schedule.plans or (self.steps,)

    def batch_size(self, step: int) -> int:
        """Return the sequences of step `step`, counted from 0, over all ranks and microbatches."""
        return self._level(step).size

    def sequences_before(self, step: int) -> int:
        """Return the sequences of all steps before step `step`, counted from 0: those that `step` steps take."""
        level = self._level(step)
        return level.sequences + (step - level.first_step) * level.size

    def sequences_taken(self, step: int, start: Mapping[str, Any]) -> int:
        """Return the sequences before step `step`, counted from 0, in the order of the data.

        `start` is empty, or says where a continued training went on: how many `sequences` of the order lie before step
        `step`, and for how many the order is `planned`.
        """
        first = int(start.get("step", 0))
        return int(start.get("sequences", 0)) + self.sequences_before(step) - self.sequences_before(first)

    def sequences(self, start: Mapping[str, Any]) -> Sequences:
        """Return the sequences that all steps take; `start` is as in sequences_taken."""
        first = self.ordered_steps if self.ordered_steps > start.get("step", 0) else self.steps
        planned = start.get("planned") or self.sequences_taken(first, start)
        return Sequences(taken=self.sequences_taken(self.steps, start), planned=int(planned))

    def _level(self, step: int) -> _Level:
        levels = _levels(self.global_batch, self.ramp)
        return levels[bisect_right(levels, step, key=lambda level: level.first_step) - 1]

    def learning_rate(self, step: int) -> float:
        """Return the rate of step `step`, counted from 1.

        Linear warm-up to lr at `warmup_steps`, then lr_schedule's shape down to min_lr_ratio x lr at the plan's end
        (cosine: arXiv:2302.13971, section 2.3). Where the batch grows, all of it is linear in the sequences taken, not
        in the steps, as trainings with growing batches state their schedules (arXiv:2005.14165, appendix B).
        """
        plan = next((plan for plan in self.plans if step <= plan), self.plans[-1])
        place, warm, end = (step, self.warmup_steps, plan)
        start = plan - self.lr_schedule.decay_steps if self.lr_schedule.decay_steps else warm
        if self.ramp:
            place, warm, start, end = (self.sequences_before(number) for number in (place, warm, start, end))
        if self.warmup_from and place <= warm:
            return self.lr * (self.warmup_from + (1 - self.warmup_from) * (place - 1) / warm)
        if place < warm:
            return self.lr * place / warm
        done = min(1.0, max(0.0, (place - start) / (end - start))) if end > start else 1.0
        return self.lr * self._share(done)

    def _share(self, done: float) -> float:
        """Return the rate as a share of lr where a share `done` of the decay is done."""
        least, form = self.min_lr_ratio, self.lr_schedule
        if form.shape == "constant":
            return 1.0
        if form.shape == "cosine":
            return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done))
        return 1 - (1 - least) * (math.sqrt(done) if form.decay == "sqrt" else done)


def steps_for(sequences: int, global_batch: int, ramp: RampConfig | None) -> int:
    """Return the fewest steps that take so many sequences, or more."""
    levels = _levels(global_batch, ramp)
    level = levels[max(0, bisect_right(levels, sequences, key=lambda level: level.sequences) - 1)]
    return level.first_step + math.ceil((sequences - level.sequences) / level.size)


def sizes(steps: int, global_batch: int, ramp: RampConfig | None) -> list[tuple[int, int]]:
    """Return each batch size of the first `steps` steps, with the number of steps that have it."""
    levels = _levels(global_batch, ramp)
    ends = [*(level.first_step for level in levels[1:]), steps]
    return [
        (level.size, min(end, steps) - level.first_step)
        for level, end in zip(levels, ends, strict=True)
        if level.first_step < steps
    ]
