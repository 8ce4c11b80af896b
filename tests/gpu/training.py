"""A training of the stage `pretrain` under a clock, in this process."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from stages.formats.kinds import KINDS
from stages.formats.metrics import read_metrics
from stages.pretrain.config import PretrainConfig
from stages.pretrain.run import run
from stages.shared.contract import InputFile
from stages.shared.machine import Gpu, Machine
from stages.shared.task import Task
from stages.train.planner.memory import device_memory
from stages.train.planner.phases import step_time
from stages.train.telemetry.utilisation import KNOWN, operations, peak_here
from tests.gpu.data import DATASET, VOCABULARY
from tests.gpu.kernels import StepProfile
from tests.gpu.sinks import apply

WARM = 2
"""Steps that are not timed: kernels are chosen and memory is allocated in them."""


class _Left(BaseException):
    """Raised after the last step of a training whose outputs are not wanted."""


def measured(order: dict[str, Any]) -> dict[str, Any]:
    """Train as `order` says and return losses, seconds of each step, memory and the plan's memory.

    The order holds `settings`, the folders `data` and `work`, and where wanted `die_at` (a step after which this
    process is killed), `finishes` (write the outputs, return their digest), `sinks` (names of tests/gpu/sinks.py) and
    `profiled` (the last two steps are).
    """
    config = PretrainConfig(tokens="unused", tokenizer="unused", tensorboard=False, **order["settings"])
    apply(order.get("sinks", ()))
    profile = StepProfile() if order.get("profiled") else None
    times, now = [time.perf_counter()], [0]

    def progress(step: int) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            if step == WARM:
                torch.cuda.reset_peak_memory_stats()
        if not now[0]:
            now[0] = step - 1  # a resumed training does not begin at 1
        times.append(time.perf_counter())
        if step == order.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if profile and step == config.steps - 2:
            profile.start()
        if profile and step == config.steps:
            profile.stop()
        if step == config.steps and not order.get("finishes"):
            raise _Left

    work = Path(order["work"])
    summary: dict[str, Any] = {}
    with suppress(_Left):
        summary = run(task_of(config, Path(order["data"]), work, progress))
    losses = [row["loss"] for row in read_metrics(work / KINDS.metrics.file)]
    steps = [after - before for before, after in pairwise(times)]
    timed = sorted(steps[WARM:-2] if profile else steps[WARM:])
    return {
        "losses": losses,
        "steps": steps,
        "resumed_at": now[0],
        "seconds": timed[len(timed) // 2] if timed else None,
        "weights": summary.get("weights_sha256"),
        **_memory(config),
        **_speed(config, timed),
        **(profile.found() if profile else {}),
    }


def task_of(config: PretrainConfig, data: Path, work: Path, progress: Any) -> Task[PretrainConfig]:
    """Return the task of a training on made-up data, with an empty folder for its outputs."""
    shutil.rmtree(work / "out", ignore_errors=True)
    (work / "out").mkdir(parents=True)
    task = Task(
        config=config,
        step="",
        unit="all",
        inputs={
            "tokens": (InputFile(data / DATASET, "made"),),
            "tokenizer": (InputFile(data / KINDS.tokenizer.file, ""),),
        },
        out=work / "out",
        work=work,
        shared=work / "shared",
        run_dir=work,
    )
    return replace(task, progress=progress)


def _memory(config: PretrainConfig) -> dict[str, Any]:
    if not torch.cuda.is_available():
        return {}
    planned = device_memory(config.workload(VOCABULARY), config.planned_layout, on_gpu=True)
    return {
        "memory_mb": torch.cuda.max_memory_allocated() / 1e6,
        "reserved_mb": torch.cuda.max_memory_reserved() / 1e6,
        "planned_mb": planned.allocated / 1e6,
        "planned_parts_mb": {name: size / 1e6 for name, size in planned.parts().items()},
    }


def _speed(config: PretrainConfig, timed: list[float]) -> dict[str, Any]:
    """Return tokens a second, the share of the GPU's peak, and the step time that is planned for it."""
    if not timed:
        return {}
    seconds = timed[len(timed) // 2]
    found = {"tokens_s": config.tokens_per_step / seconds}
    if (most := peak_here(config.dtype)) is not None:
        gpu = Gpu.model_validate({"type": KNOWN[torch.cuda.get_device_name()]})
        planned = step_time(config.workload(VOCABULARY), config.planned_layout, Machine(gpu=gpu))
        done = operations(config, VOCABULARY, config.global_batch)
        found |= {"utilisation": done / seconds / most, "planned_s": planned.total}
    return found
