"""The units of an evaluation on one of several ranks, in order, to their end or to an interruption."""

from __future__ import annotations

import os
import signal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from stages.evaluate.config import EvaluateConfig
from stages.evaluate.run import run
from stages.model import parallel
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed, DataError
from stages.shared.task import Ranks, Task

Inputs = dict[str, tuple[InputFile, ...]]
KILLED, STOPPED = "killed", "stopped"


def run_units(ranks: Ranks, config: EvaluateConfig, inputs: Inputs, folder: Path, end: str = "") -> None:
    """Run the units in order as one rank, and note how each ended. `end` is what happens within the first one."""
    *_, step = config.plan(inputs).steps
    (folder / f"pid-{ranks.rank}").write_text(str(os.getpid()))
    for unit in step.units:
        name = unit.key.replace("/", "-")
        out, work = folder / name, folder / "work" / name
        for path in (out, work):
            path.mkdir(parents=True, exist_ok=True)
        given = {field: unit.inputs.get(field, inputs.get(field, ())) for field in step.reads}
        asked = count()
        task = Task(
            config=config, step="", unit=unit.key, inputs=given, ranks=ranks, out=out, work=work,
            shared=folder / "shared", run_dir=folder,
            should_stop=lambda asked=asked: end == STOPPED and next(asked) > 0,  # type: ignore[misc]
            progress=partial(kill_the_other, folder) if end == KILLED else lambda done: None,
        )  # fmt: skip
        try:
            run(task)
        except DataError as error:
            (folder / f"{name}-{ranks.rank}").write_text(str(error))
        except Checkpointed:
            (folder / f"{name}-{ranks.rank}").write_text(STOPPED)
            break
    parallel.stop()


def kill_the_other(folder: Path, done: int) -> None:
    """Kill rank 1 once two groups are answered."""
    if done == 2:
        os.kill(int((folder / "pid-1").read_text()), signal.SIGKILL)


def flat(value: Any) -> list[Any]:
    """Return the texts and numbers of nested lists, in order."""
    if isinstance(value, list):
        return [number for each in value for number in flat(each)]
    return [value if isinstance(value, str) else float(value)]
