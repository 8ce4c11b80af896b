"""Shapes, and the published parameter counts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stages.model.config import ModelConfig, padded_vocab_size
from stages.shared.errors import ConfigError

# arXiv:2302.13971, table 2: layers, width, heads -> parameters with a vocabulary of 32,000.
LLAMA = {
    (32, 4096, 32): 6_738_415_616,
    (40, 5120, 40): 13_015_864_320,
    (60, 6656, 52): 32_528_943_616,
    (80, 8192, 64): 65_285_660_672,
}


@pytest.mark.parametrize(("shape", "count"), LLAMA.items())
def test_llamas_shapes_have_the_published_parameter_counts(shape: tuple[int, int, int], count: int) -> None:
    num_layers, dim, num_heads = shape
    assert ModelConfig(num_layers=num_layers, dim=dim, num_heads=num_heads).num_parameters(32_000) == count


def test_a_width_that_heads_cannot_share_names_the_nearest_that_works() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.dim = 100: must be an even multiple of num_heads \(6\) \(for example 96\)"
    ):
        ModelConfig(dim=100, num_heads=6)
    with pytest.raises(ConfigError, match="for example 12"):  # 3 wide heads have no pairs to rotate
        ModelConfig(dim=9, num_heads=3)


def test_key_heads_must_divide_heads() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.num_kv_heads = 4: must be a divisor of num_heads \(6\) \(for example 3\)"
    ):
        ModelConfig(dim=96, num_heads=6, num_kv_heads=4)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="hidden_size"):
        ModelConfig(hidden_size=64)


def test_mixtrals_shape_has_its_published_counts() -> None:
    # arXiv:2401.04088, section 2: 47B parameters, of which a token uses 13B.
    shape = ModelConfig(num_layers=32, dim=4096, num_heads=32, num_kv_heads=8, ffn_dim=14_336, moe={})
    assert shape.num_parameters(32_000) == 46_702_792_704
    assert shape.num_active_parameters(32_000) == 12_879_925_248


def test_more_experts_a_token_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.moe\.top_k = 3: must be at most num_experts \(2\)"):
        ModelConfig(moe={"num_experts": 2, "top_k": 3})
    with pytest.raises(ConfigError, match=r"model\.bias = True: must be false with model\.moe"):
        ModelConfig(moe={}, bias=True)


def test_glm_needs_six_tokens_more_than_its_tokenizer_has() -> None:
    glm = ModelConfig(position="glm")
    assert glm.num_rows(380) == glm.num_rows(512 - 6) == 512
    assert ModelConfig().num_rows(380) == 384


@pytest.mark.parametrize(("vocab", "tp", "rows"), [(300, 1, 384), (300, 8, 384), (32_000, 4, 32_000), (300, 3, 384)])
def test_padded_rows_are_the_same_in_every_usual_layout(vocab: int, tp: int, rows: int) -> None:
    assert padded_vocab_size(vocab, tp) == rows
    assert padded_vocab_size(vocab, tp) % tp == 0
