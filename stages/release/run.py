"""One shard: a checkpoint becomes a Hugging Face folder."""

from __future__ import annotations

from typing import Any

from stages.model import parallel
from stages.model.hf_export import export_checkpoint
from stages.release.config import RELEASE, ReleaseConfig
from stages.shared.contract import Ranks, Task


def run(task: Task) -> dict[str, Any]:
    """Write the folder into task.out; return which checkpoint it is and its parameter count."""
    config: ReleaseConfig = task.config
    checkpoint = config.chosen(task.inputs["checkpoints"])[task.shard]
    parallel.start(Ranks())
    count = export_checkpoint(
        checkpoint.path, task.out / RELEASE, task.inputs["tokenizer"][0].path, int(config.file_gb * 1e9)
    )
    return {"checkpoint": checkpoint.source, "parameters": count}
