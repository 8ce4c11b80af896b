"""The GPU's kernels in some steps: which take the time, and how long it waits."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

SHOWN = 25
"""Kernels listed, those of the most time first."""


class StepProfile:
    """torch's profiler around steps: `start`, the steps, `stop`, `found`."""

    def __init__(self) -> None:
        on_gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
        self._profile = profile(activities=[ProfilerActivity.CPU, *on_gpu])
        self._kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
        self._began = self._seconds = 0.0

    def start(self) -> None:
        """Begin."""
        self._profile.start()
        self._began = time.perf_counter()

    def stop(self) -> None:
        """End."""
        self._seconds = time.perf_counter() - self._began
        self._profile.stop()

    def found(self) -> dict[str, Any]:
        """Return the kernels with their seconds and calls, and the share of the time in which none ran."""
        totals: dict[str, list[float]] = {}
        for event in self._profile.events() or ():
            if event.device_type == self._kind and not getattr(event, "is_user_annotation", False):
                entry = totals.setdefault(event.name, [0.0, 0.0])
                entry[0] += _own_us(event) / 1e6
                entry[1] += 1
        rows = sorted(totals.items(), key=lambda item: -item[1][0])
        busy = sum(seconds for seconds, _ in totals.values())
        return {
            "kernels": [{"name": name, "seconds": own, "calls": calls} for name, (own, calls) in rows[:SHOWN]],
            "idle": max(0.0, 1 - busy / self._seconds) if self._seconds else None,
        }


def _own_us(event: Any) -> float:
    """Return an event's own microseconds: on the GPU a kernel's, on a CPU an operation's without those inside."""
    is_kernel = event.device_type == DeviceType.CUDA
    own: float = event.time_range.elapsed_us() if is_kernel else event.self_cpu_time_total
    return own
