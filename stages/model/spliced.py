"""Pictures and sounds in a decoder: their features take the places of placeholders among the embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

# Shape suffixes: T = tokens of a sequence, B = sequences, D = width of the residual stream, S = positions of all
# pictures or sounds, N = squares, P = features of a square, W = width of a feature, Q = positions of a square.

Encode = Callable[[Any], Any]
"""An encoder as it is called: stages.model.vision.encoder or stages.model.speech.conformer."""


class Perceived(Protocol):
    """The pictures or sounds of a microbatch."""

    @property
    def places_S(self) -> Tensor:  # noqa: N802
        """The placeholders, each as t x B + b, in order: int64, on the device."""

    def features(self, encode: Encode) -> Tensor:
        """Return the features [N, P, W] of all squares in order, or [1, S, W] of all sounds; `encode` makes those that
        are not known.
        """


def spliced(embedded_TBD: Tensor, places_S: Tensor, rows_NQD: Tensor) -> Tensor:
    """Return the embeddings with rows at their places.

    Raises ValueError if there are more or fewer rows than places.
    """
    rows_SD = rows_NQD.flatten(0, 1)
    if len(rows_SD) != len(places_S):
        raise ValueError(f"{len(places_S)} positions are planned for features, and these take {len(rows_SD)}")
    return embedded_TBD.flatten(0, 1).index_copy(0, places_S, rows_SD.to(embedded_TBD.dtype)).view_as(embedded_TBD)


def anchored(embedded_TBD: Tensor, parts: Sequence[nn.Module]) -> Tensor:
    """Return the embeddings of a batch of text alone, with a gradient of 0 for all trained weights of some parts.

    Ranks with pictures would wait for theirs (Megatron's DDP reduces a bucket once each of its weights has a gradient).
    """
    sums = [weight.sum() for part in parts for weight in part.parameters() if weight.requires_grad]
    return embedded_TBD + 0 * torch.stack(sums).sum().to(embedded_TBD.dtype) if sums else embedded_TBD
