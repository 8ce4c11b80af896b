"""Contrastive training of pictures and their captions: CLIP's loss (arXiv:2103.00020, section 2.3)."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from megatron.core import parallel_state
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from stages.train.objectives.base import Batch, Column, LossOf, LossOutputs, Objective, Role

# Shape suffixes: B = pairs of this rank's microbatch, A = pairs of all data parallel ranks' microbatches, E = width of
# the common space.


class Contrast(Objective):
    """Finds each picture's caption among those of the step, and each caption's picture.

    A batch holds `tokens` and `position_ids` [B, T], `last` [B], a caption's last token, `pixels` [B, 3, S, S], and the
    numbers `caption` and `picture` [B], equal for equal ones. An equal caption, or another one of the same picture, is
    no negative. A pair without any negative has no loss.
    """

    def __init__(self, role: Role, pixels: int) -> None:
        """Train the two towers of a role, on squares of so many pixels a side."""
        whole = Column((role.config.seq_len,))
        columns = {
            **{"tokens": whole, "position_ids": whole, "last": Column(), "caption": Column(), "picture": Column()},
            "pixels": Column((3, pixels, pixels), torch.float32),
        }
        super().__init__(columns, {"model": role}, metrics=("accuracy", "scale"))

    def forward(self, role: str, model: Any, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return what TwoTowers does, and the function for the loss."""
        output_2BE = model(batch["tokens"], batch["position_ids"], batch["last"], batch["pixels"])
        return output_2BE, lambda output_2BE: contrastive_loss(output_2BE, batch["caption"], batch["picture"])


def contrastive_loss(output_2BE: Tensor, caption_B: Tensor, picture_B: Tensor) -> LossOutputs:
    """Return the mean of the two directions' cross-entropies, in nats, summed over the pairs that have a negative.

    Collective in the data parallel group: a rank's pairs are scored against those of all ranks.
    """
    caption_A, picture_A = _gathered(caption_B), _gathered(picture_B)
    first = parallel_state.get_data_parallel_rank() * len(caption_B)
    own_B = torch.arange(first, first + len(caption_B), device=caption_B.device)
    is_same_BA = (caption_B[:, None] == caption_A) | (picture_B[:, None] == picture_A)
    has_negative_B = ~is_same_BA.all(1)
    is_hidden_BA = is_same_BA.scatter(1, own_B[:, None], False)
    picture_BE, text_BE = output_2BE
    whole_2AE: Tensor = _Gather.apply(output_2BE)  # type: ignore[no-untyped-call]  # torch types no Function
    both = [
        (own_BE @ other_AE.t()).masked_fill(is_hidden_BA, -torch.inf)
        for own_BE, other_AE in ((picture_BE, whole_2AE[1]), (text_BE, whole_2AE[0]))
    ]
    losses_B = sum(F.cross_entropy(logits_BA, own_B, reduction="none") for logits_BA in both) / 2
    count = has_negative_B.sum()
    found = (both[0].argmax(1) == own_B)[has_negative_B].sum()
    scale_B = picture_BE.detach().norm(dim=1)
    total = torch.where(has_negative_B, losses_B, 0.0).sum()
    return LossOutputs(total, count).with_metrics(
        accuracy=torch.stack([found, count]), scale=torch.stack([scale_B.sum(), scale_B.new_tensor(len(scale_B))])
    )


def _gathered(own: Tensor) -> Tensor:
    """Return all data parallel ranks' rows, one rank's after another's."""
    group = parallel_state.get_data_parallel_group()
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, own.contiguous(), group=group)
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    """All ranks' outputs. What their losses want of a rank's rows is summed up on the way back."""

    @staticmethod
    def forward(ctx: FunctionCtx, own_2BE: Tensor) -> Tensor:
        return _gathered(own_2BE.transpose(0, 1)).transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_2AE: Tensor) -> Tensor:
        group = parallel_state.get_data_parallel_group()
        summed_2AE = grad_2AE.contiguous()
        dist.all_reduce(summed_2AE, group=group)
        return summed_2AE.chunk(dist.get_world_size(group), dim=1)[dist.get_rank(group)]
