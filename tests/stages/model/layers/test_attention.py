"""Fused attention against the formula: causal, with ALiBi's bias, and under a mask."""

from __future__ import annotations

import math
from itertools import chain

import pytest
import torch
from megatron.core.transformer import TransformerConfig
from torch import Tensor

from stages.model import parallel
from stages.model.layers import attention
from stages.model.layers.attention import (
    AlibiAttention,
    CausalAttention,
    MaskedAttention,
    RotaryAttention,
    alibi_slopes,
    documents_apart,
)
from stages.shared.task import Ranks
from tests.stages.model.layers.test_rotary import turned


def naive(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """Softmax(q k^T / sqrt(D) + bias) v with the scores written out, from and to Megatron's [T, B, H, D]."""
    tokens, _, heads, width = query.shape
    key, value = (x.repeat_interleave(heads // x.size(2), dim=2) for x in (key, value))
    scores = torch.einsum("tbhd,sbhd->bhts", query, key) / math.sqrt(width) + bias
    scores = scores.masked_fill(later(tokens), float("-inf"))
    return torch.einsum("bhts,sbhd->tbhd", scores.softmax(-1), value).flatten(2)


def later(tokens: int) -> Tensor:
    return torch.ones(tokens, tokens).triu(1).bool()


def distances(tokens: int) -> Tensor:
    place = torch.arange(tokens, dtype=torch.float64)
    return place[None, :] - place[:, None]


def draw_inputs(tokens: int, heads: int, groups: int, *, width: int = 8) -> list[Tensor]:
    draw = torch.Generator().manual_seed(groups)
    return [torch.randn(tokens, 3, n, width, generator=draw, requires_grad=True) for n in (heads, groups, groups)]


def assert_gradients_equal(ours: Tensor, theirs: Tensor, inputs: list[Tensor], within: float = 1e-5) -> None:
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    for one, other in zip(*(torch.autograd.grad((x * weights).sum(), inputs) for x in (ours, theirs)), strict=True):
        assert (one - other).abs().max() < within * max(1.0, float(other.abs().max()))  # sums of float32 keep 7 digits


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_values_and_gradients_equal_the_formula(groups: int) -> None:
    config = TransformerConfig(num_layers=1, hidden_size=32, num_attention_heads=4, num_query_groups=groups)
    inputs = draw_inputs(17, 4, groups)
    ours, theirs = CausalAttention(config)(*inputs, None), naive(*inputs)
    assert (ours - theirs).abs().max() < 1e-5
    assert_gradients_equal(ours, theirs, inputs)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_with_rope_queries_and_keys_are_turned_first(groups: int) -> None:
    config = TransformerConfig(num_layers=1, hidden_size=32, num_attention_heads=4, num_query_groups=groups)
    query, key, value = inputs = draw_inputs(17, 4, groups)
    ours = RotaryAttention(config, theta=100)(*inputs, None)
    theirs = naive(turned(query, 100), turned(key, 100), value)
    assert (ours - theirs).abs().max() < 1e-5
    assert_gradients_equal(ours, theirs, inputs)


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (6, 2), (3, 1)])
def test_alibi_equals_its_bias_written_out(heads: int, groups: int) -> None:
    parallel.start(Ranks())
    config = TransformerConfig(num_layers=1, hidden_size=8 * heads, num_attention_heads=heads, num_query_groups=groups)
    inputs = draw_inputs(300, heads, groups)
    bias = torch.tensor(alibi_slopes(heads))[:, None, None] * distances(300)
    ours, theirs = AlibiAttention(config)(*inputs, None), naive(*inputs, bias.float())
    assert (ours - theirs).abs().max() < 2e-5
    assert_gradients_equal(ours, theirs, inputs, within=5e-5)


def test_alibi_keeps_its_precision_at_two_thousand_tokens_and_in_bfloat16() -> None:
    parallel.start(Ranks())
    config = TransformerConfig(num_layers=1, hidden_size=64, num_attention_heads=8)
    inputs = [x.detach()[:, :1] for x in draw_inputs(2048, 8, 8)]
    bias = torch.tensor(alibi_slopes(8))[:, None, None] * distances(2048)
    exact = naive(*(x.double() for x in inputs), bias)
    alibi = AlibiAttention(config)
    assert (alibi(*inputs, None) - exact).abs().max() < 1e-4
    half = [x.bfloat16() for x in inputs]
    unbiased = (CausalAttention(config)(*half, None) - naive(*(x.double() for x in inputs))).abs().max()
    assert (alibi(*half, None) - exact).abs().max() < 2 * unbiased


@pytest.mark.parametrize("kind", [CausalAttention, AlibiAttention])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_documents_apart_are_each_document_alone(kind: type[CausalAttention], groups: int) -> None:
    parallel.start(Ranks())
    config = TransformerConfig(num_layers=1, hidden_size=32, num_attention_heads=4, num_query_groups=groups)
    mix, inputs = kind(config), draw_inputs(17, 4, groups)
    lengths = [[5, 1, 11], [17], [1, 1, 15]]
    apart = documents_apart(torch.tensor([*chain(*lengths)]), 17, torch.device("cpu"))
    ours = mix(*inputs, None, packed_seq_params=apart)
    alone = [
        torch.cat([mix(*part, None) for part in zip(*(x[:, [b]].split(row) for x in inputs), strict=True)])
        for b, row in enumerate(lengths)
    ]
    theirs = torch.cat(alone, dim=1)
    assert (ours - theirs).abs().max() < 1e-5 * max(1.0, float(theirs.abs().max()))  # as the gradients below
    assert_gradients_equal(ours, theirs, inputs)
    assert (ours - mix(*inputs, None)).abs().max() > 0.1


@pytest.mark.parametrize("takes_groups", [True, False])
def test_on_a_gpu_grouped_heads_go_to_a_fused_kernel_or_are_repeated(
    monkeypatch: pytest.MonkeyPatch, takes_groups: bool
) -> None:
    monkeypatch.setattr(attention, "_varlen_takes_groups", lambda: takes_groups)
    config = TransformerConfig(num_layers=1, hidden_size=32, num_attention_heads=4, num_query_groups=2)
    plain, masked, narrow = CausalAttention(config), MaskedAttention(config), torch.zeros(1, dtype=torch.bfloat16)
    assert plain._takes_groups(narrow, is_apart=False)
    assert plain._takes_groups(narrow, is_apart=True) is takes_groups
    assert not plain._takes_groups(narrow.float(), is_apart=False)
    assert not masked._takes_groups(narrow, is_apart=False)


def test_alibis_slopes_are_part_of_the_model_and_not_of_its_checkpoint() -> None:
    parallel.start(Ranks())
    config = TransformerConfig(num_layers=1, hidden_size=24, num_attention_heads=3)
    alibi = AlibiAttention(config)
    assert not alibi.state_dict()
    direct = torch.tensor(alibi_slopes(3), dtype=torch.bfloat16)
    assert torch.equal(alibi.to(torch.bfloat16).slopes, direct)


@pytest.mark.parametrize(
    ("heads", "slopes"),
    [
        (8, [2.0**-k for k in range(1, 9)]),
        (12, [*(2.0**-k for k in range(1, 9)), 0.7071, 0.3536, 0.1768, 0.0884]),
    ],
)
def test_slopes_are_the_published_ones(heads: int, slopes: list[float]) -> None:
    assert alibi_slopes(heads) == pytest.approx(slopes, abs=5e-5)


def test_bloom_has_112_slopes() -> None:
    slopes = alibi_slopes(112)
    assert slopes[:2] == pytest.approx([0.9170, 0.8409], abs=5e-5)
    assert (len(slopes), slopes[63]) == (112, 2.0**-8)
    assert slopes[64] == 2.0 ** (-8 / 128)
    assert slopes[65] == pytest.approx(slopes[64] ** 3)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_mask_is_obeyed(groups: int) -> None:
    config = TransformerConfig(num_layers=1, hidden_size=32, num_attention_heads=4, num_query_groups=groups)
    inputs = draw_inputs(17, 4, groups)
    masked = MaskedAttention(config)
    assert (masked(*inputs, None) - masked(*inputs, later(17)[None, None])).abs().max() < 1e-5
    free = torch.zeros(3, 1, 17, 17, dtype=torch.bool)
    free[1] = later(17)
    mixed = masked(*inputs, free)
    assert (mixed[:, 1] - naive(*inputs)[:, 1]).abs().max() < 1e-5
    assert (mixed[0, 0] - naive(*inputs)[0, 0]).abs().max() > 0.1  # the first token sees the last
