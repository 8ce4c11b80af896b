"""Runs of a weight's numbers as parts of the whole model's tensors."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import pytest
import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.transformer.mlp import apply_swiglu_sharded_factory

from stages.train.engines.flat_slices import boxes, parts_of


@pytest.mark.parametrize("shape", [(7,), (3, 4), (1, 5), (5, 1), (2, 3, 4)])
def test_the_boxes_of_a_run_are_its_numbers_in_order_and_few(shape: tuple[int, ...]) -> None:
    numbers = torch.arange(prod(shape)).view(shape)
    for start in range(prod(shape) + 1):
        for stop in range(start, prod(shape) + 1):
            found = list(boxes(shape, start, stop))
            cut = [numbers[tuple(slice(o, o + n) for o, n in zip(*box, strict=True))].flatten() for box in found]
            assert torch.cat([torch.empty(0, dtype=torch.int64), *cut]).tolist() == list(range(start, stop))
            assert len(found) <= 2 * len(shape) - 1


def whole_of(parts: list[ShardedTensor], shape: tuple[int, ...]) -> torch.Tensor:
    """Return the tensor that parts are of, nan where there is none."""
    whole = torch.full(shape, float("nan"))
    for part in parts:
        assert part.global_shape == shape
        assert part.data is not None
        place = tuple(slice(o, o + n) for o, n in zip(part.global_offset, part.local_shape, strict=True))
        assert whole[place].isnan().all()
        whole[place] = part.data
    return whole


@pytest.mark.parametrize("cuts", [[0, 24], [0, 5, 24], [0, 1, 2, 11, 13, 24]])
def test_runs_of_a_layers_weight_fill_its_place_among_the_layers(cuts: list[int]) -> None:
    weight = torch.arange(24.0).view(4, 6)
    shard = ShardedTensor.from_rank_offsets("w", weight, (0, 2, 3), (2, 1, 2), replica_id=(0, 0, 1), prepend_axis_num=1)
    parts = [
        part
        for start, stop in pairwise(cuts)
        for part in parts_of(shard, weight.shape, weight.flatten()[start:stop], start, "moment")
    ]
    whole = whole_of(parts, (3, 4, 12))
    assert torch.equal(whole[2, :, 6:], weight)
    assert whole.isnan().sum() == 3 * 4 * 12 - 24
    assert {(part.key, part.replica_id) for part in parts} == {("moment.w", (0, 0, 0))}


def test_the_two_matrices_of_swiglu_lie_apart() -> None:
    weight = torch.arange(24.0).view(4, 6)
    shard = ShardedTensor.from_rank_offsets("w", weight, (0, 1, 2), replica_id=(0, 0, 0))
    factory = apply_swiglu_sharded_factory(shard, ())
    parts = [
        part
        for start, stop in ((0, 10), (10, 24))
        for part in parts_of(factory, weight.shape, weight.flatten()[start:stop], start, "moment")
    ]
    whole = whole_of(parts, (8, 6))
    assert torch.equal(torch.cat([whole[2:4], whole[6:8]]), weight)


def test_parts_are_views_so_that_what_is_read_into_them_is_there() -> None:
    run = torch.zeros(10)
    shard = ShardedTensor.from_rank_offsets("w", torch.zeros(4, 6), replica_id=(0, 0, 0))
    for part in parts_of(shard, (4, 6), run, 3, "moment"):
        part.data.fill_(1.0)
    assert torch.equal(run, torch.ones(10))
