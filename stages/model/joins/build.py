"""Builds the join of a kind."""

from __future__ import annotations

import torch

from stages.model import device
from stages.model.joins.abstractor import AbstractorJoin
from stages.model.joins.base import Join
from stages.model.joins.config import JoinConfig
from stages.model.joins.projector import LinearJoin, MlpJoin
from stages.model.joins.qformer import QFormerJoin


def build_join(config: JoinConfig, width: int, dim: int, dtype: torch.dtype = torch.float32) -> Join:
    """Return the join between features of a width and a language model of width `dim`, on the device.

    Weights are unset: see `initialise` and `fill` of stages.model.decoder. Raises ConfigError if the features do not
    fit.
    """
    config.require_width(width)
    join: Join
    if config.kind == "linear":
        join = LinearJoin(width, dim)
    elif config.kind == "mlp":
        join = MlpJoin(width, dim)
    elif config.kind == "qformer":
        join = QFormerJoin(config, width, dim)
    else:
        join = AbstractorJoin(config, dim)
    return join.to(device=device.device(), dtype=dtype)
