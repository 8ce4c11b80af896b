"""The mapping of tensors, on tensors whose rows say where they come from."""

from __future__ import annotations

import math

import pytest
import torch

from stages.model.config import ModelConfig
from stages.model.huggingface.tensors import shapes, slices
from stages.model.huggingface.weights import join, split, with_rows
from tests.stages.model.folders import SHAPE, SHAPES


def test_query_key_and_value_rows_are_kept_by_group() -> None:
    config = ModelConfig(num_layers=1, dim=8, num_heads=4, num_kv_heads=2)
    query, key, value = (torch.arange(rows * 8.0).view(rows, 8) + start for rows, start in ((8, 0), (4, 100), (4, 200)))
    joined = join(config, "x.linear_qkv.weight", [query, key, value])
    order = [query[:4], key[:2], value[:2], query[4:], key[2:], value[2:]]
    assert torch.equal(joined, torch.cat(order))


def test_the_gate_is_above_the_up_projection() -> None:
    config = ModelConfig(num_layers=1, dim=8, num_heads=2, ffn_dim=3)
    gate, up = torch.zeros(3, 8), torch.ones(3, 8)
    assert torch.equal(join(config, "x.linear_fc1.weight", [gate, up]), torch.cat([gate, up]))


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_splitting_undoes_joining_and_the_slices_are_all_weights(changes: dict[str, object]) -> None:
    config = ModelConfig(**SHAPE | changes)
    count = 0
    for part in slices(config):
        theirs = [torch.randn(shape) for shape in shapes(config, part, 290)]
        count += sum(math.prod(tensor.shape) for tensor in theirs)
        back = split(config, part.key, join(config, part.key, theirs))
        assert all(torch.equal(one, other) for one, other in zip(theirs, back, strict=True)), part
    assert count == config.num_parameters(290)


def test_more_rows_are_the_mean_and_fewer_are_cut() -> None:
    rows = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert with_rows(rows, 4).tolist() == [[1.0, 2.0], [3.0, 6.0], [2.0, 4.0], [2.0, 4.0]]
    assert with_rows(rows, 1).tolist() == [[1.0, 2.0]]
    assert torch.equal(with_rows(rows, 2), rows)
