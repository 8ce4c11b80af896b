"""SwiGLU against its formula."""

from __future__ import annotations

import pytest
import torch
from megatron.core.transformer import TransformerConfig
from torch import Tensor

from stages.model.layers.swiglu import SwiGLU

CONFIG = TransformerConfig(num_layers=1, hidden_size=8, num_attention_heads=2)


def gated(x: Tensor) -> Tensor:
    gate, up = x.chunk(2, dim=-1)
    return gate / (1 + (-gate).exp()) * up


def pair(dtype: torch.dtype, rows: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Return an input, the same in float64, and weights for the sum of what comes out."""
    draw = torch.Generator().manual_seed(1)
    x = (3 * torch.randn(rows, 5, 48, generator=draw)).to(dtype)
    return x.requires_grad_(), x.detach().double().requires_grad_(), torch.randn(rows, 5, 24, generator=draw).to(dtype)


@pytest.mark.parametrize(
    ("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.3)], ids=str
)
def test_values_and_gradients_are_the_formulas(dtype: torch.dtype, within: float) -> None:
    x, exact, weights = pair(dtype)
    product = x * 1  # what comes before may not be a leaf: its gradient is written over it
    ours, theirs = SwiGLU(CONFIG)(product), gated(exact)
    assert ours.dtype == dtype
    assert (ours - theirs).abs().max() < within
    (found,) = torch.autograd.grad((ours * weights).sum(), x)
    (right,) = torch.autograd.grad((theirs * weights.double()).sum(), exact)
    assert (found - right).abs().max() < within


def test_many_rows_are_taken_in_parts() -> None:
    x, exact, weights = pair(torch.float32, rows=3000)  # 15,000 rows of 48: three parts
    SwiGLU(CONFIG)(x * 1).backward(weights)
    gated(exact).backward(weights.double())
    assert (x.grad - exact.grad).abs().max() < 1e-5


def test_it_keeps_its_input_alone_and_writes_the_gradient_over_it() -> None:
    x, _, weights = pair(torch.float32)
    product = x * 1
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        result = SwiGLU(CONFIG)(product)
    assert [tensor.data_ptr() for tensor in kept] == [product.data_ptr()]
    (gradient,) = torch.autograd.grad(result, product, weights)
    assert gradient.data_ptr() == product.data_ptr()


def test_a_second_backward_pass_is_refused() -> None:
    x, _, weights = pair(torch.float32)
    result = SwiGLU(CONFIG)(x * 1)
    result.backward(weights, retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward(weights)
