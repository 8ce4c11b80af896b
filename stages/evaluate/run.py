"""The step: one checkpoint, one task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stages.shared.task import Task


def run(task: Task) -> dict[str, Any]:
    """Evaluate the element's checkpoint on its task; return a summary of the scores."""
    go_offline(task.work / "home", task.config.datasets_cache)
    from stages.evaluate import element  # noqa: PLC0415  the libraries behind it read the environment when imported

    return element.run(task)


def go_offline(home: Path, datasets_cache: str | None) -> None:
    """Forbid Hugging Face's libraries the network and every folder but `home`, or the data the user names.

    Side-effect: sets environment variables of this process.
    """
    os.environ.update(
        HF_HOME=datasets_cache or str(home),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        HF_EVALUATE_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        TOKENIZERS_PARALLELISM="false",
        DISABLE_MULTIPROC="1",  # lm-eval's bootstrap would fork a process a core
    )
