"""Engines outside of the loop: one model that predicts the next token."""

from __future__ import annotations

from stages.pretrain.config import PretrainConfig
from stages.train.config import TrainingConfig
from stages.train.engine import Engine, build_engine
from stages.train.objectives.base import Forward, Role, SetWeights
from stages.train.objectives.next_token import NextToken

VOCABULARY = 300


def next_token(z_loss: float = 0.0) -> Forward:
    """Return the objective as an engine takes it."""
    objective = NextToken(PretrainConfig(tokens="x", tokenizer="x", z_loss=z_loss), eod=2)
    return lambda batches, model: objective.forward("model", model, next(batches))


def single(config: TrainingConfig, set_weights: SetWeights | None = None, vocab_size: int = VOCABULARY) -> Engine:
    """Return the engine of the only model of a training."""
    return build_engine(config, Role(config=config.model, set_weights=set_weights), vocab_size)
