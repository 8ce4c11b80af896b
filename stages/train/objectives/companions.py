"""Pairs of a picture and a caption that are each other's negatives: those of all data parallel ranks' microbatches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Shape suffixes: B = pairs of this rank's microbatch, A = pairs of all data parallel ranks' microbatches.


@dataclass(frozen=True)
class Companions:
    """Which pairs of all ranks are a negative of this rank's. Made by all ranks together."""

    own_B: Tensor  # noqa: N815
    """The place of each own pair among all."""
    is_hidden_BA: Tensor  # noqa: N815
    """Other pairs that are no negative: an equal caption, or another caption of the same picture."""
    has_negative_B: Tensor  # noqa: N815

    @classmethod
    def of(cls, caption_B: Tensor, picture_B: Tensor) -> Companions:
        """Return them, given numbers that are equal for equal captions and pictures. Collective."""
        caption_A, picture_A = gathered(caption_B), gathered(picture_B)
        first = parallel_state.get_data_parallel_rank() * len(caption_B)
        own_B = torch.arange(first, first + len(caption_B), device=caption_B.device)
        is_same_BA = (caption_B[:, None] == caption_A) | (picture_B[:, None] == picture_A)
        return cls(own_B, is_same_BA.scatter(1, own_B[:, None], False), ~is_same_BA.all(1))


def gathered(own: Tensor) -> Tensor:
    """Return all data parallel ranks' rows, one rank's after another's. Collective; without gradient."""
    group = parallel_state.get_data_parallel_group()
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, own.contiguous(), group=group)
    return torch.cat(parts)


def gathered_to_learn(own: Tensor) -> Tensor:
    """Return all ranks' rows, as `gathered` does. The gradients of a rank's rows, on all ranks, are summed up."""
    whole: Tensor = _Gather.apply(own)  # type: ignore[no-untyped-call]  # torch types no Function
    return whole


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor) -> Tensor:
        return gathered(own)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        group = parallel_state.get_data_parallel_group()
        summed = grad.contiguous()
        dist.all_reduce(summed, group=group)
        return summed.chunk(dist.get_world_size(group))[dist.get_rank(group)]
