"""Training of a model that hears: the training loop over packed chats with sounds."""

from __future__ import annotations

from typing import Any

from megatron.core.models.gpt import GPTModel

from stages.chats.sensed import train_parts
from stages.model.checkpoint.copying import copy_part
from stages.model.senses import PARTS
from stages.pictures.sounds import SoundShelf
from stages.shared.task import Task
from stages.speech.train.config import SpeechTrainConfig


def train(task: Task[SpeechTrainConfig]) -> dict[str, Any]:
    """Train on the packed rows, and return the summary: see stages.train.run.train_and_compare."""

    def set_parts(model: GPTModel) -> None:
        for part in PARTS:
            for file in task.inputs.get(f"{part}_from", ()):
                copy_part(model, part, file.path, task.config.model)

    shelf = SoundShelf([file.path for file in task.inputs["sounds"]])
    return train_parts(task, shelf, set_parts, task.config.ctc)
