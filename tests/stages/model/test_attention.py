"""Fused causal attention against the formula."""

from __future__ import annotations

import math

import pytest
import torch
from megatron.core.transformer import TransformerConfig
from torch import Tensor

from stages.model.attention import CausalAttention


def naive(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax(q k^T / sqrt(D)) v with the scores written out, from and to Megatron's [T, B, H, D]."""
    tokens, _, heads, width = query.shape
    key, value = (x.repeat_interleave(heads // x.size(2), dim=2) for x in (key, value))
    scores = torch.einsum("tbhd,sbhd->bhts", query, key) / math.sqrt(width)
    scores = scores.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), float("-inf"))
    return torch.einsum("bhts,sbhd->tbhd", scores.softmax(-1), value).flatten(2)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_values_and_gradients_equal_the_formula(groups: int) -> None:
    config = TransformerConfig(num_layers=1, hidden_size=32, num_attention_heads=4, num_query_groups=groups)
    draw = torch.Generator().manual_seed(groups)
    inputs = [torch.randn(17, 3, n, 8, generator=draw, requires_grad=True) for n in (4, groups, groups)]
    ours, theirs = CausalAttention(config)(*inputs, None), naive(*inputs)
    assert (ours - theirs).abs().max() < 1e-5
    weights = torch.randn(ours.shape, generator=draw)
    for one, other in zip(*(torch.autograd.grad((x * weights).sum(), inputs) for x in (ours, theirs)), strict=True):
        assert (one - other).abs().max() < 1e-5
