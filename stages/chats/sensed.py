"""The training of a stage whose chats have pictures or sounds: the training loop over its packed rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from megatron.core.models.gpt import GPTModel

from stages.chats.sensing import SensingStage
from stages.chats.sources import packed_sources
from stages.formats.chat.templates import PERCEIVED
from stages.formats.tokenizer import Tokenizer
from stages.model.decoder import initialise
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.task import Task
from stages.train.data.datasets import TrainingData
from stages.train.data.pictured import Given, open_gallery, open_pictured
from stages.train.objectives.heard import Ctc, LearnHeard
from stages.train.objectives.pictured import LearnPictured
from stages.train.run import starting_weights, train_and_compare

SetParts = Callable[[GPTModel], None]
"""Sets the weights of parts that are given."""


def train_parts(
    task: Task[SensingStage], shelf: Album | SoundShelf, set_parts: SetParts, ctc: float = 0.0
) -> dict[str, Any]:
    """Train on the packed rows, and return the summary: see stages.train.run.train_and_compare.

    Above 0, `ctc` is the weight with which sounds are taught their transcripts.
    """
    config, sense = task.config, task.config.model.sense
    if sense is None:
        raise ValueError("a model of text alone")
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    (folder,) = task.steps["pack"]
    names = dict.fromkeys(file.source for file in config.data_files(task.inputs))
    sources = packed_sources(names, folder, config.mixture)
    gallery = open_gallery(sources, shelf, sense, config.cache_mb)
    start = starting_weights(task, tokenizer) or partial(initialise, config=config.model, seed=config.seed)

    def set_weights(model: GPTModel) -> None:
        start(model)
        set_parts(model)

    placeholder = config.model.token_id(PERCEIVED[config.perceives], tokenizer.vocab_size)
    given = Given(gallery, placeholder)
    objective = LearnPictured(config, gallery, config.train, set_weights, config.noise)
    if ctc and isinstance(shelf, SoundShelf):
        given = Given(gallery, placeholder, cache(lambda key: tokenizer.encode(shelf.transcript(key))))
        objective = LearnHeard(config, gallery, config.train, set_weights, Ctc(ctc, placeholder))

    def open_data(_work: Path) -> TrainingData:
        return open_pictured(sources, config, given, config.kept_features)

    return train_and_compare(task, objective, tokenizer, open_data)
