"""Runs of a weight's numbers as parts of the whole model's tensors: what each rank of ZeRO saves and loads in place.

ZeRO lays weights out flat, one after another, and cuts them anywhere; a checkpoint has tensors of the weights' own
shapes, which any layout reads. A run of a matrix's numbers is up to three boxes in it: the end of a row, whole rows,
the beginning of a row. So nothing is gathered: every rank writes its own boxes, and reads them into its own memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeAlias

import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from torch import Tensor

Shard: TypeAlias = Any
"""Megatron's ShardedTensor or ShardedTensorFactory: where a rank's weight lies in the whole model's."""


def parts_of(shard: Shard, shape: Sequence[int], run: Tensor, start: int, prefix: str) -> list[ShardedTensor]:
    """Return the parts of the whole model's tensor that a run of a weight's numbers is, as views of the run.

    shape is the weight's on this rank; the run is flat, contiguous, and starts at the weight's number `start`. Names
    are the weight's with a prefix. Of data parallel ranks only one holds a number, so each counts as the first.
    """
    found = []
    for place, piece in _pieces(shard, shape):
        first, last = max(start, place), min(start + run.numel(), place + prod(piece.local_shape))
        for offset, size in boxes(piece.local_shape, first - place, last - place):
            data = run[first - start : first - start + prod(size)]
            found.append(_part(piece, offset, data.view(size), prefix))
            first += data.numel()
    return found


def boxes(shape: Sequence[int], start: int, stop: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield place and size of the boxes in a tensor, in order, that its numbers from start to stop (row-major) fill."""
    if start >= stop:
        return
    row = prod(shape[1:])
    head = min(stop, -(-start // row) * row)
    tail = max(head, stop // row * row)
    yield from _boxes_in_row(shape, start, head)
    if head < tail:
        yield (head // row, *(0 for _ in shape[1:])), ((tail - head) // row, *shape[1:])
    yield from _boxes_in_row(shape, tail, stop)


def _boxes_in_row(shape: Sequence[int], start: int, stop: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    row = prod(shape[1:])
    index = start // row
    for offset, size in boxes(shape[1:], start - index * row, stop - index * row):
        yield (index, *offset), (1, *size)


def _pieces(shard: Shard, shape: Sequence[int]) -> list[tuple[int, ShardedTensor]]:
    """Return the parts that a weight is split into along its first axis, with the number that each starts at.

    SwiGLU's first projection holds two matrices, which lie apart in the whole model's.
    """
    if isinstance(shard, ShardedTensor):
        return [(0, shard)]
    built = replace(shard, data=torch.empty(tuple(shape), device="meta")).build()
    return [(piece.data.storage_offset(), piece) for piece in built]


def _part(piece: ShardedTensor, offset: tuple[int, ...], data: Tensor, prefix: str) -> ShardedTensor:
    axes = piece.prepend_axis_num
    place = (*(0 for _ in range(axes)), *offset)
    data = data.view(*(1 for _ in range(axes)), *data.shape)
    return replace(
        piece,
        key=f"{prefix}.{piece.key}",
        data=data,
        dtype=data.dtype,
        local_shape=tuple(data.shape),
        global_offset=tuple(map(sum, zip(piece.global_offset, place, strict=True))),
        axis_fragmentations=None,  # boxes of unequal sizes
        prepend_axis_num=0,
        replica_id=(*piece.replica_id[:-1], 0),
    )
