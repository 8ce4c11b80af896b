"""Matrices in oneDNN's blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.model.layers.packed import pack, product
from tests.bench.memory import grown_mb


@pytest.mark.parametrize(("inputs", "outputs"), [(48, 96), (17, 30), (96, 16)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_packed_matrix_multiplies_as_a_plain_one(inputs: int, outputs: int, *, bias: bool) -> None:
    linear = nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
    x = torch.randn(40, inputs)
    wanted = product(x, linear.weight, linear.bias)
    pack(linear)
    assert linear.weight.shape == (outputs, inputs)
    torch.testing.assert_close(product(x, linear.weight, linear.bias), wanted)


def test_a_row_has_the_same_bits_among_any_others() -> None:
    linear = nn.Linear(384, 128, bias=False).requires_grad_(False)
    x = torch.randn(600, 384)
    pack(linear)
    whole = product(x, linear.weight)
    for count in (0, 1, 2, 3, 7, 31, 33, 100, 192, 193, 256, 257, 431, 449):
        assert torch.equal(product(x[:count], linear.weight), whole[:count])


def test_code_for_every_number_of_rows_takes_little_memory() -> None:
    linear = nn.Linear(384, 128, bias=False).requires_grad_(False)
    pack(linear)
    grown = grown_mb()
    for count in range(1, 257):
        product(torch.ones(count, 384), linear.weight)
    assert grown() < 25  # 150 if each had its own


def test_other_types_stay_as_they_are() -> None:
    linear = nn.Linear(8, 8).to(torch.float64)
    pack(linear)
    assert not linear.weight.is_mkldnn
