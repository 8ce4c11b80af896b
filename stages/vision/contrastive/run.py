"""The steps of `vision.contrastive`: the training loop over pairs, then the encoder as a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.reading import WEIGHTS, read_slice, verify
from stages.model.huggingface.tensors import Slice
from stages.model.huggingface.vision.folder import export_encoder
from stages.model.vision.towers import ENCODER, TowersBuilder
from stages.shared.task import Ranks, Task
from stages.train.data.captions import open_captions, pixels_of
from stages.train.data.datasets import TrainingData
from stages.train.objectives.base import Role
from stages.train.objectives.contrastive import Contrast
from stages.train.run import train_and_compare
from stages.train.state.names import FINAL
from stages.vision.contrastive.config import TRAIN, ContrastiveConfig


def train(task: Task[ContrastiveConfig]) -> dict[str, Any]:
    """Train on the pairs, and return the summary: see stages.train.run.train_and_compare."""
    config = task.config
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    start = next((file.path for file in task.inputs.get("encoder_from", ())), None)
    build = TowersBuilder(config.encoder, config.projection, config.temperature, start)
    weights = partial(build.initialise, config=config.model, seed=config.seed)
    role = Role(config=config.model, build=build, set_weights=weights)

    def open_data(_work: Path) -> TrainingData:
        picture_of = pixels_of(config.scheme, config.encoder.family)
        return open_captions(task.inputs["pictures"], config, tokenizer, config.model.seq_len, picture_of)

    return train_and_compare(task, Contrast(role, config.encoder.picture_size), tokenizer, open_data)


def write(task: Task[ContrastiveConfig]) -> dict[str, Any]:
    """Write the trained encoder, and return its number of parameters."""
    parallel.start(Ranks())
    (folder,) = task.steps[TRAIN]
    checkpoint = folder / FINAL
    verify(checkpoint)
    whole = task.config.encoder.whole

    def read(part: Slice) -> Tensor:
        return read_slice(checkpoint, f"{WEIGHTS}{ENCODER}{part.key}", part.index)

    export_encoder(whole, read, task.out / KINDS.encoder.file)
    return {"parameters": whole.num_parameters}
