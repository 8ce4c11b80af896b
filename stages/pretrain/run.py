"""Pretraining: the training loop with next-token prediction over the sources' datasets."""

from __future__ import annotations

from typing import Any

from stages.shared.contract import Task
from stages.shared.tokenizer import Tokenizer
from stages.train.data import Source
from stages.train.loop import Job, train
from stages.train.objectives import next_token


def run(task: Task) -> dict[str, Any]:
    """Train; return the summary. See stages.train.loop.train for what is written, raised and resumed."""
    mixture = task.config.mixture
    sources = [
        Source(file.source, file.path, None if mixture is None else mixture[file.source])
        for file in task.inputs["tokens"]
    ]
    return train(task, Job(next_token, sources, Tokenizer(task.inputs["tokenizer"][0].path)))
