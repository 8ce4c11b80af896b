"""Cost of a whole training: time, GPU-hours, energy, carbon; on CPUs core-seconds, memory and disk. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from stages.shared.machine import Machine
from stages.train.data.schedule import sizes
from stages.train.planner.memory import device_memory
from stages.train.planner.phases import step_operations, step_time
from stages.train.planner.shape import Layout, Workload
from stages.train.planner.speed import StepTime

DAY_S = 86_400
PROCESS_MB = 400
"""MB of a rank's process beside its tensors: Python, torch, Megatron."""
CUDA_PROCESS_MB = 4_000
"""The same with CUDA's libraries and pinned buffers, in the host's memory; assumed."""
OFFLOADED = 16
"""Bytes a trained parameter of an optimizer in the host's memory: gradient, float32 weight and two moments."""
SAVED = 40
"""Bytes a parameter of a run on the way: two checkpoints of weights, moments and float32 weights, and two models."""
PUBLISHED = 16
"""Bytes a parameter of a checkpoint that stays: weights, moments and float32 weights."""
AVERAGED = 10
"""Bytes a parameter of an average: in two checkpoints, and the model that it becomes."""


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """A training: its step, the layout, and the number of steps."""

    work: Workload
    layout: Layout
    steps: int
    first: int = 0
    """Steps of them that are done, by this training or another one."""
    may: Collection[str]
    """Settings that a proposal may change: see search.ranked."""
    vocab_known: bool = True
    """Whether the tokenizer's size is known, or assumed."""
    published: int = 0
    """Checkpoints with everything that stay after the training."""
    rounds_mb: float = 0.0
    """Files of the rounds, in MB."""
    assumed: tuple[str, ...] = ()
    """Further assumptions of the step, in words."""

    @property
    def core_seconds(self) -> float:
        """Core-seconds of all ranks, without GPUs."""
        alone = Machine(ranks_per_node=self.layout.ranks)
        return self.full_steps(alone) * self.layout.ranks * step_time(self.work, self.layout, alone).total

    @property
    def sequences(self) -> int:
        """Sequences of all steps to do."""
        return sum(size * steps for size, steps in self._sizes())

    def _sizes(self) -> Iterator[tuple[int, int]]:
        """Yield each batch size with the number of steps to do that have it."""
        done = dict(sizes(self.first, self.work.global_batch, self.work.ramp))
        for size, steps in sizes(self.steps, self.work.global_batch, self.work.ramp):
            yield size, steps - done.get(size, 0)

    def full_steps(self, machine: Machine) -> float:
        """Return the steps of full batches that take as long as all steps; a ramp's first ones take less."""
        full = step_time(self.work, self.layout, machine).total
        return sum(
            steps * step_time(replace(self.work, global_batch=size), self.layout, machine).total / full
            for size, steps in self._sizes()
        )

    @property
    def mem_mb(self) -> float:
        """Memory of all ranks together, in MB, without GPUs."""
        return self.layout.ranks * (PROCESS_MB + device_memory(self.work, self.layout, on_gpu=False).total / 1e6)

    @property
    def disk_mb(self) -> float:
        """Size of the run on disk, in MB."""
        average = AVERAGED * self.work.averages * self.work.shape.parameters
        return ((SAVED + PUBLISHED * self.published) * self.work.parameters + average) / 1e6 + self.rounds_mb


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A training's totals. The last four are of GPUs, and 0 without."""

    tokens: int
    tokens_per_s: float
    hours: float
    gpu_hours: float
    energy_kwh: float
    """GPUs at their full power, times the building's overhead: the way of arXiv:2302.13971, section 6."""
    co2_t: float
    utilisation: float
    """Model operations over what the GPUs could do at their 16-bit peak (arXiv:2204.02311, appendix B)."""

    @property
    def tokens_per_day(self) -> float:
        """Tokens in 24 hours."""
        return self.tokens_per_s * DAY_S


def training_cost(training: PlannedTraining, time: StepTime, machine: Machine) -> Cost:
    """Return the totals, given the time of a step."""
    work, ranks, step, gpu = training.work, training.layout.ranks, time.total, machine.gpu
    hours = training.full_steps(machine) * step / 3600
    gpu_hours = hours * ranks if gpu else 0.0
    energy = gpu_hours * gpu.watts / 1e3 * gpu.pue if gpu else 0.0
    return Cost(
        tokens=training.sequences * work.shape.seq_len,
        tokens_per_s=work.tokens / step,
        hours=hours,
        gpu_hours=gpu_hours,
        energy_kwh=energy,
        co2_t=energy * gpu.kg_co2_per_kwh / 1e3 if gpu else 0.0,
        utilisation=step_operations(work) / step / ranks / (gpu.tflops * 1e12) if gpu else 0.0,
    )


def host_mb(training: PlannedTraining) -> float:
    """Return the host memory of all ranks where they compute on GPUs, in MB: processes, and an offloaded optimizer."""
    trained = sum(work.shape.trained for work in training.work.trained.values())
    state = OFFLOADED * trained / 1e6 if "optimizer" in training.layout.offload else 0.0
    return training.layout.ranks * CUDA_PROCESS_MB + state
