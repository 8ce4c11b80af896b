"""Direct preference optimisation: the training loop over packed comparisons, beside a frozen reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.align.dpo.config import DpoConfig
from stages.align.sources import source_names
from stages.chats.sources import packed_sources
from stages.formats.tokenizer import Tokenizer
from stages.shared.task import Task
from stages.train.data.comparisons import open_comparisons
from stages.train.data.datasets import TrainingData
from stages.train.objectives.direct_preference import DirectLoss, PreferDirectly, Starts
from stages.train.run import starting_weights, train_and_compare


def train(task: Task[DpoConfig]) -> dict[str, Any]:
    """Train on the packed comparisons, and return the summary: see stages.train.run.train_and_compare."""
    config, tokenizer = task.config, Tokenizer(task.inputs["tokenizer"][0].path)
    loss = DirectLoss(kind=config.loss, beta=config.beta, label_smoothing=config.label_smoothing)
    plain = config.model.model_copy(update={"lora": None})
    starts = Starts(policy=starting_weights(task, tokenizer), reference=starting_weights(task, tokenizer, model=plain))
    objective = PreferDirectly(config, loss, starts, source_names(task))

    (folder,) = task.steps["pack"]

    def open_data(_work: Path) -> TrainingData:
        sources = packed_sources(source_names(task), folder, config.mixture)
        return open_comparisons(sources, config, config.epochs)

    return train_and_compare(task, objective, tokenizer, open_data)
