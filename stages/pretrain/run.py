"""Pretraining: the training loop over the sources' datasets, with next-token prediction or GLM's blanks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.metrics import read_metrics
from stages.formats.tokenizer import Tokenizer
from stages.model.huggingface.importing import import_weights
from stages.pretrain.config import PretrainConfig
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.train.data.blanks import BlankedDataset
from stages.train.data.corpus import SourceDataset
from stages.train.engine import SetWeights
from stages.train.loop import Job, train
from stages.train.objectives.next_token import fill_blanks, next_token


def run(task: Task) -> dict[str, Any]:
    """Train, compare with the reference if there is one, return the summary.

    See stages.train.loop.train for what is written, raised and resumed.
    """
    mixture = task.config.mixture
    sources = [
        SourceDataset(file.source, file.path, None if mixture is None else mixture[file.source])
        for file in task.inputs["tokens"]
    ]
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    summary = train(task, _job(task, sources, tokenizer))
    if task.ranks.rank == 0:
        for reference in task.inputs.get("reference", ()):
            summary["largest_difference"] = compare(
                task.out / KINDS.metrics.file, reference.path, task.config.tolerance
            )
    return summary


def _job(task: Task, sources: list[SourceDataset], tokenizer: Tokenizer) -> Job:
    config: PretrainConfig = task.config
    start: SetWeights | None = None
    for release in task.inputs.get("init_from", ()):
        start = partial(import_weights, config=config.model, folder=release.path, tokenizer=tokenizer)
    if config.blanks is None:
        return Job(next_token, sources, tokenizer, set_weights=start)
    arrange = partial(BlankedDataset, config=config.blanks, seed=config.seed, tokenizer=tokenizer)
    return Job(fill_blanks, sources, tokenizer, arrange=arrange, set_weights=start)


def compare(path: Path, reference: Path, tolerance: float) -> float:
    """Return the largest difference between two runs' losses, in nats a token.

    A run that went on from a checkpoint without the metrics up to it is compared from there on. Raises DataError at the
    first step where the difference is above `tolerance`, or if one run has steps that the other has not.
    """
    ours = {row["step"]: row["loss"] for row in read_metrics(path)}
    theirs = {row["step"]: row["loss"] for row in read_metrics(reference) if row["step"] >= min(ours)}
    if ours.keys() != theirs.keys():
        raise DataError(reference, f"{len(theirs)} steps, not {len(ours)}", "Want a reference of as many steps")
    for step, loss in ours.items():
        if not abs(loss - theirs[step]) <= tolerance:
            problem = f"loss {theirs[step]:.6f}, here {loss:.6f}: further apart than {tolerance:g}"
            raise DataError(reference, problem, "The two trainings do not compute the same", record=f"step {step}")
    return max(abs(loss - theirs[step]) for step, loss in ours.items())
