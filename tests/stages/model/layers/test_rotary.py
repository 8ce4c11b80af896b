"""RoPE against its definition: pairs of numbers as complex ones, times a unit that turns with the position."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.model.layers.rotary import apply_rope, rope_tables

CPU = torch.device("cpu")


def turned(x: Tensor, theta: float) -> Tensor:
    """Return x, [T, B, H, D], with x[i] + x[i + D / 2] j times exp(j t / theta^(2 i / D))."""
    tokens, width = x.size(0), x.size(3)
    rates = theta ** (-2.0 * torch.arange(width // 2, dtype=torch.float64) / width)
    units = torch.polar(torch.ones(1, dtype=torch.float64), torch.outer(torch.arange(tokens).double(), rates))
    first, second = x.double().chunk(2, dim=-1)
    product = torch.complex(first, second) * units[:, None, None]
    return torch.cat([product.real, product.imag], dim=-1).to(x.dtype)


def draw(dtype: torch.dtype = torch.float64) -> Tensor:
    """Return queries as Megatron cuts them out of a product with keys and values."""
    mixed = torch.randn(17, 3, 2, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    return mixed[..., :8].requires_grad_()


def test_values_and_gradients_are_the_definitions() -> None:
    x = draw()
    angles = rope_tables(17, 8, 100, torch.float64, CPU)
    torch.testing.assert_close(apply_rope(x, *angles), turned(x, 100), rtol=0, atol=1e-6)  # the angles are float32
    assert torch.autograd.gradcheck(lambda x: apply_rope(x, *angles), x)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_narrower_types_differ_by_their_rounding(dtype: torch.dtype, within: float) -> None:
    x = draw(dtype)
    ours = apply_rope(x, *rope_tables(17, 8, 10_000, dtype, CPU))
    assert ours.dtype == dtype
    assert (ours - turned(x, 10_000)).abs().max() < within


def test_a_products_cosine_depends_on_the_distance_alone() -> None:
    pair = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    angles = rope_tables(6, 8, 50, torch.float32, CPU)
    query, key = (apply_rope(x.expand(6, 1, 1, 8), *angles)[:, 0, 0] for x in pair)
    products = query @ key.t()
    assert torch.allclose(products[1:, 1:], products[:-1, :-1], atol=1e-5)
    assert (products[0, 1:] - products[0, :-1]).abs().max() > 1e-2


def test_results_lie_in_memory_as_attention_reads_them_and_gradients_as_products_do() -> None:
    x = draw(torch.float32)
    result = apply_rope(x, *rope_tables(17, 8, 100, torch.float32, CPU))
    assert result.permute(1, 2, 0, 3).is_contiguous()
    (gradient,) = torch.autograd.grad(result.sum(), x)
    assert gradient.is_contiguous()


def test_angles_made_while_asking_a_model_serve_training_too() -> None:
    rope_tables.cache_clear()
    with torch.inference_mode():
        apply_rope(draw(torch.float32), *rope_tables(17, 8, 100, torch.float32, CPU))
    x = draw(torch.float32)
    apply_rope(x, *rope_tables(17, 8, 100, torch.float32, CPU)).sum().backward()
