"""The steps of the evaluate stages: one checkpoint and one cell, a part of a cell's answers, the items of a task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stages.evaluate import series
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.items.config import ItemsConfig
from stages.evaluate.tasks import packages
from stages.shared.task import Task


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of the unit's checkpoint on its cell into task.out; return the scores."""
    scores: dict[str, Any] = _evaluation(task.work / "home").run(task)
    return scores


def answer(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the answers to a part of a cell's requests into task.out; return their number."""
    count: dict[str, Any] = _evaluation(task.work / "home").answer(task)
    return count


def items(task: Task[ItemsConfig]) -> dict[str, Any]:
    """Write the questions of the unit's task into task.out; return their number by task."""
    go_offline(task.work / "home")
    packages.leave_out()
    from stages.evaluate.items import questions  # noqa: PLC0415

    return questions.run(task)


def alarm(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write which tasks became worse over the checkpoints into task.out; return the newest night's state."""
    return series.alarm(task)


def _evaluation(home: Path) -> Any:
    """Return the module that does the work. Its libraries read the environment when they are imported."""
    go_offline(home)
    packages.leave_out()
    from stages.evaluate import evaluation  # noqa: PLC0415

    return evaluation


def go_offline(home: Path) -> None:
    """Keep Hugging Face's libraries off the network and out of every folder but `home`.

    Side effect: sets environment variables of this process.
    """
    os.environ.update(
        HF_HOME=str(home),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        HF_EVALUATE_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        TOKENIZERS_PARALLELISM="false",
        DISABLE_MULTIPROC="1",  # lm-eval's bootstrap would fork one process per core
    )
