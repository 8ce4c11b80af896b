"""Supervised fine-tuning: the training loop over packed chats."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from stages.align.sft.config import AlignConfig
from stages.chats.sources import packed_sources
from stages.formats.tokenizer import Tokenizer
from stages.shared.task import Task
from stages.train.data.datasets import TrainingData
from stages.train.data.packed import open_packed
from stages.train.objectives.answers import LearnAnswers
from stages.train.run import starting_weights, train_and_compare


def sft(task: Task[AlignConfig]) -> dict[str, Any]:
    """Train on the packed rows, and return the summary: see stages.train.run.train_and_compare."""
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    objective = LearnAnswers(task.config, starting_weights(task, tokenizer), task.config.noise)
    return train_and_compare(task, objective, tokenizer, partial(_open, task))


def _open(task: Task[AlignConfig], _work: Path) -> TrainingData:
    (folder,) = task.steps["pack"]
    names = dict.fromkeys(file.source for file in task.config.data_files(task.inputs))
    return open_packed(packed_sources(names, folder, task.config.mixture), task.config)
