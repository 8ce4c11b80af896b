"""Pretraining: the training loop over the sources' datasets, with next-token prediction or GLM's blanks."""

from __future__ import annotations

from typing import Any

from stages.formats.tokenizer import Tokenizer
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Task
from stages.train.objectives.base import Objective
from stages.train.objectives.blanks import FillBlanks
from stages.train.objectives.next_token import NextToken
from stages.train.run import starting_weights, train_on_tokens


def run(task: Task[PretrainConfig]) -> dict[str, Any]:
    """Train, and return the summary: see stages.train.run.train_on_tokens."""
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    return train_on_tokens(task, _objective(task, tokenizer), tokenizer)


def _objective(task: Task[PretrainConfig], tokenizer: Tokenizer) -> Objective:
    config, start = task.config, starting_weights(task, tokenizer)
    if config.blanks is None:
        return NextToken(config, tokenizer.eos_id, start)
    return FillBlanks(config, config.blanks, tokenizer, start)
