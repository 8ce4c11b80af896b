"""The step of the release stage: writes one checkpoint as a Hugging Face folder."""

from __future__ import annotations

from typing import Any

from stages.formats.chat.templates import load_template
from stages.formats.kinds import KINDS
from stages.model import parallel
from stages.model.huggingface.exporting import export_checkpoint
from stages.release.config import ReleaseConfig
from stages.shared.task import Ranks, Task


def run(task: Task[ReleaseConfig]) -> dict[str, Any]:
    """Write the folder into task.out; return the checkpoint's source and its number of parameters."""
    checkpoint = task.inputs["checkpoints"][0]
    parallel.start(Ranks())
    name = task.config.chat_template
    count = export_checkpoint(
        checkpoint.path,
        task.out / KINDS.release.file,
        task.inputs["tokenizer"][0].path,
        int(task.config.file_gb * 1e9),
        template=load_template(name) if name else None,
    )
    return {"checkpoint": checkpoint.source, "parameters": count}
