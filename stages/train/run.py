"""Runs a training on sources of tokens: the `run` of a TrainingStage builds an objective and calls it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.metrics import read_metrics
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.copying import copy_weights
from stages.model.config import ModelConfig
from stages.model.huggingface.importing import import_weights
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import TrainingData, open_tokens
from stages.train.loop import OpenData, train
from stages.train.objectives.base import Objective, SetWeights
from stages.train.stage import TrainingStage


def starting_weights(
    task: Task[TrainingStage], tokenizer: Tokenizer, model: ModelConfig | None = None
) -> SetWeights | None:
    """Return the function that loads `init_from`, or `continue_from` with weights; None: drawn from the seed.

    It fills the model of the training, or another one of its shape, such as a reference without adapters.
    """
    config, filled = task.config, model or task.config.model
    if config.continue_with == "weights":
        for start in task.inputs.get("continue_from", ()):
            return partial(copy_weights, config=filled, folder=start.path, tokenizer=tokenizer, seed=config.seed)
    for release in task.inputs.get("init_from", ()):
        return partial(import_weights, config=filled, folder=release.path, tokenizer=tokenizer, seed=config.seed)
    return None


def train_on_tokens(task: Task[TrainingStage], objective: Objective, tokenizer: Tokenizer) -> dict[str, Any]:
    """Train on the sources of the stage's data field: see train_and_compare."""
    config = task.config
    sources = [
        SourceDataset(file.source, file.path, None if config.mixture is None else config.mixture.get(file.source, 0.0))
        for file in task.inputs[config.data]
    ]

    def open_data(work: Path) -> TrainingData:
        return open_tokens(open_corpus(sources, config.mixed), objective, config, tokenizer, work)

    return train_and_compare(task, objective, tokenizer, open_data)


def train_and_compare(
    task: Task[TrainingStage], objective: Objective, tokenizer: Tokenizer, open_data: OpenData
) -> dict[str, Any]:
    """Train, and compare the losses with the reference, if there is one.

    Returns the summary on rank 0. See stages.train.loop.train for the outputs, errors and resumption.
    """
    summary = train(task, objective, tokenizer, open_data)
    if task.ranks.rank == 0:
        for reference in task.inputs.get("reference", ()):
            metrics = task.out / KINDS.metrics.file
            summary["largest_difference"] = largest_difference(metrics, reference.path, task.config.tolerance)
    return summary


def largest_difference(path: Path, reference: Path, tolerance: float) -> float:
    """Return the largest difference between two runs' losses, in nats a token.

    A run that continued from a checkpoint without the metrics up to it is compared from there on. Raises DataError at
    the first step where the difference is above `tolerance`, or if the runs have different steps.
    """
    ours = {row["step"]: row["loss"] for row in read_metrics(path)}
    theirs = {row["step"]: row["loss"] for row in read_metrics(reference) if row["step"] >= min(ours)}
    if ours.keys() != theirs.keys():
        raise DataError(reference, f"{len(theirs)} steps, not {len(ours)}", "Name a reference of as many steps")
    for step, loss in ours.items():
        if not abs(loss - theirs[step]) <= tolerance:
            problem = f"loss {theirs[step]:.6f}, here {loss:.6f}: further apart than {tolerance:g}"
            raise DataError(reference, problem, "The two trainings do not compute the same", record=f"step {step}")
    return max(abs(float(loss - theirs[step])) for step, loss in ours.items())
