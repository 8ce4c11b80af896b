"""The digest of a policy's weights: it pins what sampled a response. Cheap, and the same in every layout.

Each number of the weights is mixed with its place in the global tensor to 64 bits, and the mixed numbers are added
modulo 2^64. A sum has no order, so each rank adds up its own part. The digest tells one policy from another. It is no
protection against somebody who wants two policies to look equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import prod

import torch
import torch.distributed as dist
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, ShardedTensor, apply_factories, is_main_replica
from torch import Tensor

from stages.model import device
from stages.model.checkpoint.reading import WEIGHTS
from stages.model.huggingface.tensors import EMBEDDING, HEAD

PIECE = 1 << 22
"""Numbers that are mixed at a time: they take 40 bytes each."""
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_FACTORS = (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)
"""Those of SplitMix64, as signed numbers (doi:10.1145/2660193.2660195)."""


def policy_digest(weights: ShardedStateDict, rows: int) -> str:
    """Return the digest of weights as 16 hexadecimal digits; each rank gives its part. Collective.

    Of the vocabulary the first `rows` rows count: the others are padding.
    """
    total = torch.zeros(1, dtype=torch.int64, device=device.device())
    apply_factories(weights)
    for part in nested_values(weights):
        if isinstance(part, ShardedTensor) and is_main_replica(part.replica_id):
            total += _mixed_sum(part, part.key.removeprefix(WEIGHTS), rows)
    dist.all_reduce(total)
    return f"{int(total) % (1 << 64):016x}"


def _mixed_sum(part: ShardedTensor, name: str, rows: int) -> Tensor:
    """Return the sum of a part's numbers, each mixed with its name and place, int64."""
    values = part.data.detach().reshape(part.local_shape)
    offsets, shape = part.global_offset[part.prepend_axis_num :], part.global_shape[part.prepend_axis_num :]
    if name in (EMBEDDING, HEAD):
        values = values[: max(0, rows - offsets[0])]
    layer = part.global_offset[: part.prepend_axis_num]
    seed = int.from_bytes(hashlib.sha256(f"{name}/{layer}/{shape[1:]}".encode()).digest()[:8], "big", signed=True)
    total = torch.zeros((), dtype=torch.int64, device=values.device)
    for bits, places in _pieces(values, offsets, shape):
        total += _mixed(_mixed(places + seed) ^ bits).sum()
    return total.to(device.device())


def _pieces(values: Tensor, offsets: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the bits of numbers, and their places in the global tensor in row-major order, piece by piece.

    Places are counted row by row: a division of each number's own would take as long as all the mixing.
    """
    rows_RC = values.contiguous().view(-1, values.size(-1)).view(_BITS[values.element_size()])
    left = torch.arange(len(rows_RC), device=values.device)
    starts_R = torch.full_like(left, offsets[-1])
    for axis in reversed(range(len(shape) - 1)):
        starts_R += (left % values.size(axis) + offsets[axis]) * prod(shape[axis + 1 :])
        left //= values.size(axis)
    columns_C = torch.arange(values.size(-1), device=values.device)
    step = max(1, PIECE // values.size(-1))
    for first in range(0, len(rows_RC), step):
        few = slice(first, first + step)
        yield rows_RC[few].long(), starts_R[few, None] + columns_C


def _mixed(numbers: Tensor) -> Tensor:
    """Return SplitMix64's finaliser of int64 numbers: every bit of the result depends on every bit of the number."""
    numbers = _shifted(numbers, 30).bitwise_xor_(numbers).mul_(_FACTORS[0])
    numbers = _shifted(numbers, 27).bitwise_xor_(numbers).mul_(_FACTORS[1])
    return _shifted(numbers, 31).bitwise_xor_(numbers)


def _shifted(numbers: Tensor, count: int) -> Tensor:
    """Return the numbers shifted to the right, as if they had no sign."""
    return (numbers >> count).bitwise_and_((1 << (64 - count)) - 1)
