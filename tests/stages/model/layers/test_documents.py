"""Documents one by one, and joined again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stages.model.layers.documents import join, split

TOKENS = 12
LENGTHS = [[12], [3, 8, 1], [5, 7]]
"""Tokens of the documents of three sequences."""


def flat() -> list[int]:
    return [length for row in LENGTHS for length in row]


def drawn(*, is_strided: bool) -> Tensor:
    shape = (3, 2, TOKENS, 4) if is_strided else (TOKENS, 3, 2, 4)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (x.permute(2, 0, 1, 3) if is_strided else x).requires_grad_()


@pytest.mark.parametrize("is_strided", [True, False])
def test_each_document_has_its_tokens_and_joined_they_are_the_sequences(is_strided: bool) -> None:
    x_TBHD = drawn(is_strided=is_strided)
    parts = split(x_TBHD, flat())
    rows = [row.split(lengths) for row, lengths in zip(x_TBHD.unbind(1), LENGTHS, strict=True)]
    wanted = [part.transpose(0, 1)[None] for row in rows for part in row]
    assert all(torch.equal(part, each) for part, each in zip(parts, wanted, strict=True))
    assert torch.equal(join(parts, TOKENS), x_TBHD)


@pytest.mark.parametrize("is_strided", [True, False])
def test_gradients_are_those_of_the_numbers_themselves(is_strided: bool) -> None:
    x_TBHD = drawn(is_strided=is_strided)
    weights = torch.randn(x_TBHD.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    joined = join([number * part.sin() for number, part in enumerate(split(x_TBHD, flat()))], TOKENS)
    (found,) = torch.autograd.grad((joined * weights).sum(), x_TBHD)
    numbers = iter(range(len(flat())))
    factors = [torch.cat([torch.full((length,), float(next(numbers))) for length in row]) for row in LENGTHS]
    wanted = torch.stack(factors, dim=1)[..., None, None] * x_TBHD.cos() * weights
    assert torch.allclose(found, wanted, rtol=1e-12)


def test_a_document_without_a_gradient_has_zeros() -> None:
    x_TBHD = drawn(is_strided=False)
    (found,) = torch.autograd.grad(split(x_TBHD, flat())[1].sum(), x_TBHD)
    assert found.sum() == found[:3, 1].sum() == 3 * 2 * 4
