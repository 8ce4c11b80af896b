"""The correspondence of a Hugging Face folder's tensors and ours, both ways. Pure.

Ours are a checkpoint's. Of stacked ones (layers, experts) one slice at a time is joined or split:

    linear_qkv   query, key and value rows group by group: a group's query heads, its key head, its value head
    linear_fc1   gate above up
"""

from __future__ import annotations

import torch
from torch import Tensor

from stages.model.config import ModelConfig


def join(config: ModelConfig, key: str, parts: list[Tensor]) -> Tensor:
    """Return our tensor, given theirs. Rows of the vocabulary stay as many as they are."""
    if key.endswith("linear_qkv.weight"):
        groups, width = config.kv_heads, config.head_dim
        grouped = [part.view(groups, -1, width, config.dim) for part in parts]
        return torch.cat(grouped, dim=1).reshape(-1, config.dim)
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def split(config: ModelConfig, key: str, tensor: Tensor) -> list[Tensor]:
    """Return their tensors, given ours: the inverse of `join`."""
    if key.endswith("linear_qkv.weight"):
        heads = config.num_heads // config.kv_heads
        grouped = tensor.view(config.kv_heads, heads + 2, config.head_dim, config.dim)
        return [part.reshape(-1, config.dim) for part in grouped.split([heads, 1, 1], dim=1)]
    return list(tensor.chunk(2)) if key.endswith("linear_fc1.weight") else [tensor]


def with_rows(rows_VD: Tensor, count: int) -> Tensor:
    """Return `count` rows: those there are, cut or followed by their mean (as Chinese-LLaMA-Alpaca's merge does).

    A new piece that starts at the mean neither stands out nor is impossible, whatever the other rows' size.
    """
    missing = count - rows_VD.size(0)
    if missing <= 0:
        return rows_VD[:count]
    mean = rows_VD.double().mean(0).to(rows_VD.dtype)
    return torch.cat([rows_VD, mean.expand(missing, -1)])
