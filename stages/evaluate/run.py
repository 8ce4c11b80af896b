"""The step of the evaluate stage: one checkpoint, one task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stages.evaluate.config import EvaluateConfig
from stages.shared.task import Task


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of the unit's checkpoint on its task into task.out; return the scores."""
    go_offline(task.work / "home", task.config.datasets_cache)
    from stages.evaluate import evaluation  # noqa: PLC0415  its libraries read the environment when they are imported

    return evaluation.run(task)


def go_offline(home: Path, datasets_cache: str | None) -> None:
    """Keep Hugging Face's libraries off the network and out of every folder but `home` or `datasets_cache`.

    Side effect: sets environment variables of this process.
    """
    os.environ.update(
        HF_HOME=datasets_cache or str(home),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        HF_EVALUATE_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        TOKENIZERS_PARALLELISM="false",
        DISABLE_MULTIPROC="1",  # lm-eval's bootstrap would fork one process per core
    )
