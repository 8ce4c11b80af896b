"""The stage `pretrain` under a clock: a side of train_speed.py, all of train_checkpoints.py. Its order is argv[1]."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.metrics import read_metrics
from stages.pretrain.config import PretrainConfig
from stages.pretrain.run import run
from stages.shared.contract import InputFile
from stages.shared.task import Task
from tests.bench.memory import grown_mb


def main(order: dict[str, Any]) -> None:
    """Train, print what was measured after the last step, and leave before anything is saved."""
    data, work = Path(order["data"]), Path(order["work"])
    work.mkdir()
    config = PretrainConfig(tokens="unused", tokenizer="unused", **order["settings"])
    wall, cpu = [time.perf_counter()], [time.process_time()]

    def progress(step: int) -> None:
        wall.append(time.perf_counter())
        cpu.append(time.process_time())
        if step == config.steps:
            losses = [row["loss"] for row in read_metrics(work / KINDS.metrics.file)]
            steps = {"wall": differences(wall), "cpu": differences(cpu)}
            print(json.dumps({**steps, "peak_mb": grown(), "losses": losses}), flush=True)
            os._exit(0)

    inputs = {
        "tokens": (InputFile(data / "tokens-words.bin", "words"),),
        "tokenizer": (InputFile(data / "tokenizer.model", ""),),
        "init_from": (InputFile(Path(order["part"]) / "llama", ""),),
    }
    grown = grown_mb()
    run(
        Task(
            config=config,
            step="",
            unit="all",
            inputs=inputs,
            steps={},
            out=work / "out",
            work=work,
            shared=work / "shared",
            run_dir=work,
            progress=progress,
        )
    )


def differences(times: list[float]) -> list[float]:
    """Return the time of each step."""
    return [after - before for before, after in pairwise(times)]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
