"""The toy reader's step: copies a milestone, or writes the answers of a service."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from stages.reader.config import READINGS, ReaderConfig

from stages.shared.files import read_json
from stages.shared.task import Task

PATIENCE_S = 300.0


def read(task: Task[ReaderConfig]) -> dict[str, Any]:
    """Note the call, then read. A unit rests after its first part while its mood is `wait`."""
    with (Path(task.config.moods) / "calls").open("a", encoding="utf-8") as calls:
        calls.write(f"{task.step}.{task.place} here {os.getpid()}\n")
    parts = [file.path.read_text(encoding="utf-8") for file in task.inputs.get("steps", ())]
    for file in task.inputs.get("endpoint", ()):
        for number in range(task.config.asks):
            parts.append(_ask(file.path, f"{task.unit}/{number}"))
            _wait(task)
    (task.out / READINGS.file).write_text("".join(parts), encoding="utf-8")
    return {"read": len(parts)}


def _wait(task: Task[ReaderConfig]) -> None:
    mood = Path(task.config.moods) / f"{task.step}.{task.place}"
    while mood.exists() and mood.read_text(encoding="utf-8") == "wait":
        time.sleep(0.02)


def _ask(address: Path, question: str) -> str:
    """Return a service's answer; one that is started again has a new address."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urlopen(f"{read_json(address)['address']}/{question}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
