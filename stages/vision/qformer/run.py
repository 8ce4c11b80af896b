"""The step of `vision.qformer`: the training loop over pictures and captions, for a Q-Former alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import DTYPES
from stages.model.vision.reader import ReaderBuilder
from stages.pictures.album import Album
from stages.shared.task import Task
from stages.train.data.captions import captioned, open_captions, squares_in
from stages.train.data.datasets import TrainingData
from stages.train.data.gallery import Gallery, PictureGallery
from stages.train.objectives.asking import LearnToAsk
from stages.train.objectives.base import Role
from stages.train.run import train_and_compare
from stages.vision.qformer.config import QFormerConfig


def train(task: Task[QFormerConfig]) -> dict[str, Any]:
    """Train on the pairs, and return the summary: see stages.train.run.train_and_compare."""
    config, model = task.config, task.config.model
    files = task.inputs["pictures"]
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    gallery = _gallery(task)
    build = ReaderBuilder(model.eyes, config.projection, config.temperature, task.inputs["encoder_from"][0].path)
    weights = partial(build.initialise, config=model, seed=config.seed)
    role = Role(config=model, build=build, set_weights=weights, frozen=("encoder.*",))
    objective = LearnToAsk(role, tokenizer.vocab_size, gallery, config.label_smoothing, config.seed)

    def open_data(_work: Path) -> TrainingData:
        return open_captions(files, config, tokenizer, model.text_len, squares_in(gallery))

    return train_and_compare(task, objective, tokenizer, open_data)


def _gallery(task: Task[QFormerConfig]) -> Gallery:
    """Return the pictures with a caption; their features are kept if they fit."""
    config, files = task.config, task.inputs["pictures"]
    keys = np.array(sorted({collection.rows["key"][row] for collection, row in captioned(files)}))
    gallery = PictureGallery(Album([file.path for file in files]), config.model.eyes, keys, memory_mb=config.cache_mb)
    if config.features == "auto":
        gallery.keep_features(DTYPES[config.dtype])
    return gallery
