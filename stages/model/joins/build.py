"""Builds the join of a kind."""

from __future__ import annotations

import torch
from torch import nn

from stages.model import device
from stages.model.joins.abstractor import AbstractorJoin
from stages.model.joins.base import Join
from stages.model.joins.config import JoinConfig
from stages.model.joins.projector import LinearJoin, MlpJoin
from stages.model.joins.qformer import QFormerJoin


def build_join(
    config: JoinConfig, width: int, dim: int, dtype: torch.dtype = torch.float32, *, newline: bool = False
) -> Join:
    """Return the join between features of a width and a language model of width `dim`, on the device.

    With `newline` it has an embedding that ends each row of a picture of any resolution. Weights are unset: see
    `initialise` and `fill` of stages.model.decoder. Raises ConfigError if the features do not fit.
    """
    return _made(config, width, dim, newline).to(device=device.device(), dtype=dtype)


def join_shapes(config: JoinConfig, width: int, dim: int, *, newline: bool = False) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a join's weights by name. Takes no memory."""
    with torch.device("meta"):
        return {name: tuple(weight.shape) for name, weight in _made(config, width, dim, newline).named_parameters()}


def _made(config: JoinConfig, width: int, dim: int, newline: bool) -> Join:
    config.require_width(width)
    join = _of_kind(config, width, dim)
    if newline:
        join.newline = nn.Parameter(torch.empty(1, dim))
    return join


def _of_kind(config: JoinConfig, width: int, dim: int) -> Join:
    if config.kind == "linear":
        return LinearJoin(width, dim)
    if config.kind == "mlp":
        return MlpJoin(width, dim)
    return QFormerJoin(config, width, dim) if config.kind == "qformer" else AbstractorJoin(config, dim)
