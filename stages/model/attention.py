"""Causal attention for Megatron's layer spec: torch's fused kernel in place of Megatron's unfused one."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

# Shape suffixes: T = tokens, B = sequences, H = heads of this rank, K = key/value heads of this rank, D = head width.


class CausalAttention(MegatronModule):
    """Softmax(q k^T / sqrt(D)) v over earlier tokens, without ever holding a T x T tensor (arXiv:2205.14135).

    Megatron's own DotProductAttention writes the scores out (TE's fused one needs a GPU); torch picks its flash kernel
    on CPUs and GPUs alike. Takes no parameters from the checkpoint.
    """

    def __init__(self, config: TransformerConfig, **_spec: Any) -> None:
        super().__init__(config=config)
        self.scale = 1.0 / math.sqrt(config.kv_channels)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *_mask: Any, **_options: Any) -> Tensor:
        """Return the mixed values, [T, B, H*D], for query [T, B, H, D] and key, value [T, B, K, D]."""
        query_BHTD, key_BKTD, value_BKTD = (x.permute(1, 2, 0, 3) for x in (query, key, value))
        mixed_BHTD = F.scaled_dot_product_attention(
            query_BHTD, key_BKTD, value_BKTD, is_causal=True, scale=self.scale, enable_gqa=query.size(2) != key.size(2)
        )
        return mixed_BHTD.permute(2, 0, 1, 3).reshape(query.size(0), query.size(1), -1)

    def sharded_state_dict(self, *_args: Any, **_kwargs: Any) -> dict[str, torch.Tensor]:
        """Return nothing: attention has no weights of its own."""
        return {}
