"""Training of a reward model: the training loop over packed comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.align.reward.config import RewardConfig
from stages.align.sources import source_names
from stages.chats.sources import packed_sources
from stages.formats.tokenizer import Tokenizer
from stages.shared.task import Task
from stages.train.data.comparisons import open_comparisons
from stages.train.data.datasets import TrainingData
from stages.train.objectives.ranking import RankResponses
from stages.train.run import starting_weights, train_and_compare


def train(task: Task[RewardConfig]) -> dict[str, Any]:
    """Train on the packed comparisons, and return the summary: see stages.train.run.train_and_compare."""
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    objective = RankResponses(
        task.config, starting_weights(task, tokenizer), source_names(task), frozen=task.config.frozen
    )

    (folder,) = task.steps["pack"]

    def open_data(_work: Path) -> TrainingData:
        sources = packed_sources(source_names(task), folder, task.config.mixture)
        return open_comparisons(sources, task.config, task.config.epochs)

    return train_and_compare(task, objective, tokenizer, open_data)
