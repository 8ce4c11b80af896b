"""Straggler detection: times work that does not wait for other ranks.

In a step ranks wait for each other in every collective, so the whole step takes all of them as long as the slowest.
Timed is what a rank does alone: to get its batches, and attention in the forward pass, which splits into nothing that
ranks exchange. A slow disk, processor or GPU shows in one of them.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median_low
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.models.gpt import GPTModel
from torch.utils.hooks import RemovableHandle

from stages.formats.telemetry.rank_times import RankTime, RankTimes
from stages.model import device, parallel
from stages.train.objectives.base import Batch
from stages.train.telemetry.utilisation import memory_mb

SLOW = 1.2
"""A rank is a straggler in a reading if its own time is above the median by this factor,"""
LEAST_S = 0.005
"""and by so many seconds: less is what a machine's other work does to a step of milliseconds."""
READINGS = 3
"""Readings in a row after which a straggler is reported."""
_TIMED = "core_attention"


@dataclass(frozen=True)
class RankReading:
    """A step of all ranks, in order."""

    seconds: tuple[float, ...]
    """Their own time."""
    memory_mb: tuple[float, ...]


class RankClock:
    """Takes a reading of a step: `start`, the step's batches through `batches`, `read`. On every rank."""

    def __init__(self, chunks: Sequence[GPTModel]) -> None:
        named = (pair for chunk in chunks for pair in chunk.named_modules())
        self._modules = [module for name, module in named if name.endswith(_TIMED)]
        self._handles: list[RemovableHandle] = []
        self._elapsed: list[Callable[[], float]] = []
        self._began: list[Any] = []

    def start(self) -> None:
        """Time from here on."""
        for module in self._modules:
            self._handles.append(module.register_forward_pre_hook(lambda *_: self._began.append(_now())))
            self._handles.append(module.register_forward_hook(lambda *_: self._stop()))

    def _stop(self) -> None:
        began, ended = self._began.pop(), _now()
        self._elapsed.append(lambda: _between(began, ended))

    def batches(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches, timing how long they take to come."""
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            seconds = time.perf_counter() - began
            self._elapsed.append(partial(float, seconds))
            if batch is None:
                return
            yield batch

    def read(self) -> RankReading:
        """Stop, and return the reading of all ranks. Collective."""
        for handle in self._handles:
            handle.remove()
        torch.cuda.synchronize()
        own = torch.tensor(
            [sum(elapsed() for elapsed in self._elapsed), memory_mb()], dtype=torch.float64, device=device.device()
        )
        self._handles, self._elapsed = [], []
        everyone = own.new_empty(2 * dist.get_world_size())
        dist.all_gather_into_tensor(everyone, own)
        seconds, memory = everyone.view(-1, 2).T.tolist()
        return RankReading(tuple(seconds), tuple(memory))


def _now() -> Any:
    """Return a moment: an event in the device's work with CUDA, since that runs asynchronously."""
    if not torch.cuda.is_available():
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _between(began: Any, ended: Any) -> float:
    seconds: float = began.elapsed_time(ended) / 1e3 if torch.cuda.is_available() else ended - began
    return seconds


def nodes() -> list[str]:
    """Return every rank's host name, in order. Collective."""
    names: list[str] = [""] * dist.get_world_size()
    dist.all_gather_object(names, socket.gethostname(), group=parallel.host_group())
    return names


class Stragglers:
    """Readings added up, on one rank. Pure."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes
        self._seconds, self._memory = [0.0] * len(nodes), [0.0] * len(nodes)
        self._slow, self._in_a_row = [0] * len(nodes), [0] * len(nodes)
        self._readings = 0

    def add(self, reading: RankReading) -> list[str]:
        """Take a reading; return a line for each rank that has been slow for READINGS in a row, once."""
        usual = median_low(reading.seconds)
        self._readings += 1
        self._memory = list(reading.memory_mb)
        found = []
        for rank, seconds in enumerate(reading.seconds):
            self._seconds[rank] += seconds
            is_slow = seconds > max(SLOW * usual, usual + LEAST_S)
            self._slow[rank] += is_slow
            self._in_a_row[rank] = self._in_a_row[rank] + 1 if is_slow else 0
            if self._in_a_row[rank] == READINGS:
                times = f"{seconds:.3f} s of its own in a step, where {usual:.3f} s is usual"
                found.append(f"rank {rank} on {self._nodes[rank]} is slow: {times}, {READINGS} readings in a row")
        return found

    def times(self, step: int) -> RankTimes:
        """Return what the readings come to by now."""
        ranks = (
            RankTime(
                rank=rank,
                node=node,
                seconds=round(self._seconds[rank] / max(self._readings, 1), 6),
                memory_mb=round(self._memory[rank], 1),
                slow=self._slow[rank],
            )
            for rank, node in enumerate(self._nodes)
        )
        return RankTimes(step=step, readings=self._readings, ranks=tuple(ranks))
