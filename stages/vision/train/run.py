"""Training of a model that sees: the training loop over packed chats with pictures."""

from __future__ import annotations

from typing import Any

from megatron.core.models.gpt import GPTModel

from stages.chats.sensed import train_parts
from stages.model.checkpoint.copying import copy_part
from stages.model.huggingface.vision.folder import import_encoder
from stages.pictures.album import Album
from stages.shared.task import Task
from stages.vision.train.config import VisionTrainConfig


def train(task: Task[VisionTrainConfig]) -> dict[str, Any]:
    """Train on the packed rows, and return the summary: see stages.train.run.train_and_compare."""

    def set_parts(model: GPTModel) -> None:
        for file in task.inputs.get("encoder_from", ()):
            if model.pre_process:
                import_encoder(model.encoder, file.path)
        for file in task.inputs.get("join_from", ()):
            copy_part(model, "join", file.path, task.config.model)

    return train_parts(task, Album([file.path for file in task.inputs["pictures"]]), set_parts)
