"""Contrastive training of pictures and their captions: CLIP's loss (arXiv:2103.00020, section 2.3)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.train.objectives.base import Batch, Column, LossOf, LossOutputs, Objective, Role
from stages.train.objectives.companions import Companions, gathered_to_learn

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
    pairs = Companions.of(caption_B, picture_B)
    own_B = pairs.own_B
    picture_BE, text_BE = output_2BE
    whole_A2E = gathered_to_learn(output_2BE.transpose(0, 1))
    both = [
        (own_BE @ other_AE.t()).masked_fill(pairs.is_hidden_BA, -torch.inf)
        for own_BE, other_AE in ((picture_BE, whole_A2E[:, 1]), (text_BE, whole_A2E[:, 0]))
    ]
    losses_B = sum(F.cross_entropy(logits_BA, own_B, reduction="none") for logits_BA in both) / 2
    count = pairs.has_negative_B.sum()
    found = (both[0].argmax(1) == own_B)[pairs.has_negative_B].sum()
    scale_B = picture_BE.detach().norm(dim=1)
    total = torch.where(pairs.has_negative_B, losses_B, 0.0).sum()
    return LossOutputs(total, count).with_metrics(
        accuracy=torch.stack([found, count]), scale=torch.stack([scale_B.sum(), scale_B.new_tensor(len(scale_B))])
    )
