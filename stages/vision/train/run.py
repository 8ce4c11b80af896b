"""Training of a model that sees: the training loop over packed chats with pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from megatron.core.models.gpt import GPTModel

from stages.chats.sources import packed_sources
from stages.formats.chat.templates import PICTURE
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.copying import copy_part
from stages.model.decoder import initialise
from stages.model.huggingface.vision.folder import import_encoder
from stages.pictures.album import Album
from stages.shared.task import Task
from stages.train.data.datasets import TrainingData
from stages.train.data.pictured import open_gallery, open_pictured
from stages.train.objectives.base import SetWeights
from stages.train.objectives.pictured import LearnPictured
from stages.train.run import starting_weights, train_and_compare
from stages.vision.train.config import VisionTrainConfig


def train(task: Task[VisionTrainConfig]) -> dict[str, Any]:
    """Train on the packed rows, and return the summary: see stages.train.run.train_and_compare."""
    config, eyes = task.config, task.config.model.eyes
    if eyes is None:
        raise ValueError("a model without eyes")
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    (folder,) = task.steps["pack"]
    names = dict.fromkeys(file.source for file in config.data_files(task.inputs))
    sources = packed_sources(names, folder, config.mixture)
    album = Album([file.path for file in task.inputs["pictures"]])
    gallery = open_gallery(sources, album, eyes, config.cache_mb)
    objective = LearnPictured(config, gallery, config.train, _weights(task, tokenizer), config.noise)
    picture_id = config.model.token_id(PICTURE, tokenizer.vocab_size)

    def open_data(_work: Path) -> TrainingData:
        return open_pictured(sources, config, gallery, picture_id, config.kept_features)

    return train_and_compare(task, objective, tokenizer, open_data)


def _weights(task: Task[VisionTrainConfig], tokenizer: Tokenizer) -> SetWeights:
    """Return the function that sets the weights to start from: the whole model's, then those of parts."""
    config = task.config
    start = starting_weights(task, tokenizer) or partial(initialise, config=config.model, seed=config.seed)

    def set_weights(model: GPTModel) -> None:
        start(model)
        for file in task.inputs.get("encoder_from", ()):
            if model.pre_process:
                import_encoder(model.encoder, file.path)
        for file in task.inputs.get("join_from", ()):
            copy_part(model, "join", file.path, config.model)

    return set_weights
