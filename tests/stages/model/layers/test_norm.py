"""The norms against their formulas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from megatron.core.transformer import TransformerConfig
from torch import Tensor, nn

from stages.model import parallel
from stages.model.layers.norm import LayerNorm, RMSNorm
from stages.shared.task import Ranks

WIDTH, EPS = 96, 1e-3
SETTINGS = {"num_layers": 1, "hidden_size": WIDTH, "num_attention_heads": 4}


def rms(x: Tensor, gain: Tensor, _bias: None) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * gain


def layer(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + EPS).sqrt() * gain + bias


KINDS = [(RMSNorm, rms), (LayerNorm, layer)]


def make(kind: type[nn.Module]) -> nn.Module:
    norm = kind(TransformerConfig(**SETTINGS), WIDTH, EPS)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, 0.7, 0.4)
    return norm


def gradients(output: Tensor, *of: Tensor | None) -> tuple[Tensor, ...]:
    wanted = [tensor for tensor in of if tensor is not None]
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return torch.autograd.grad((output * weights).sum() + output.square().sum(), wanted)


@pytest.mark.parametrize(("kind", "formula"), KINDS)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_values_and_gradients_are_the_formulas(kind: type[nn.Module], formula: Callable, scale: float) -> None:
    torch.manual_seed(1)
    norm = make(kind).double()
    x = (scale * (torch.randn(5, 3, WIDTH, dtype=torch.float64) + 0.3)).requires_grad_()
    ours, theirs = norm(x), formula(x, norm.weight, norm.bias)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for one, other in zip(*(gradients(y, x, norm.weight, norm.bias) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("kind", "formula"), KINDS)
def test_narrower_types_differ_by_their_rounding(kind: type[nn.Module], formula: Callable, dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    norm = make(kind).to(dtype)
    x = torch.randn(4, 40, WIDTH).to(dtype).requires_grad_()
    wide = [
        None if tensor is None else tensor.detach().double().requires_grad_() for tensor in (x, norm.weight, norm.bias)
    ]
    ours, theirs = norm(x), formula(*wide)
    weights = torch.randn(4, 40, WIDTH).to(dtype)
    found = torch.autograd.grad(ours, [t for t in (x, norm.weight, norm.bias) if t is not None], weights)
    right = torch.autograd.grad(theirs, [t for t in wide if t is not None], weights.double())
    assert ours.dtype == dtype
    for one, other in zip((ours, *found), (theirs, *right), strict=True):
        assert one.dtype == dtype
        assert (one.double() - other).abs().max() < 8 * torch.finfo(dtype).eps * other.abs().max()


def test_rows_may_lie_apart_in_memory() -> None:
    norm = make(RMSNorm)
    x = torch.randn(7, 5, WIDTH).transpose(0, 1).requires_grad_()
    apart = torch.randn(7, 5, WIDTH).transpose(0, 1)
    whole = x.detach().contiguous().requires_grad_()
    norm(x).backward(apart)
    norm(whole).backward(apart.contiguous())
    assert torch.equal(norm(x), norm(whole))
    assert torch.equal(x.grad, whole.grad)


def test_rmsnorm_keeps_its_input_and_a_number_a_row() -> None:
    norm = make(RMSNorm)
    x = torch.randn(8, 4, WIDTH, requires_grad=True)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        norm(x)
    assert sorted(tensor.numel() for tensor in kept) == [32, WIDTH, 32 * WIDTH]


@pytest.mark.parametrize("kind", [RMSNorm, LayerNorm])
def test_under_sequence_parallelism_gains_are_marked(kind: type[nn.Module]) -> None:
    parallel.start(Ranks())
    plain = TransformerConfig(**SETTINGS)
    split = TransformerConfig(**SETTINGS, tensor_model_parallel_size=2, sequence_parallel=True)
    for config in (plain, split):
        marks = {parameter.sequence_parallel for parameter in kind(config, WIDTH).parameters()}
        assert marks == {config.sequence_parallel}
