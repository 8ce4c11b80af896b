"""Pictures in a decoder: their features take the places of placeholders among the embeddings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from PIL.Image import Image
from torch import Tensor, nn

from stages.model import device
from stages.model.eyes import EyesConfig
from stages.model.joins.base import Join
from stages.pictures.plan import Layout, Size
from stages.pictures.prepare import CLIP, SIGLIP, Normalisation, Square, normalised, squares

# Shape suffixes: T = tokens of a sequence, B = sequences, D = width of the residual stream, S = positions of all
# pictures, N = squares, P = features of a square, W = width of a feature, Q = positions of a square; C, H as pixels.

NORMALISATIONS: dict[str, Normalisation] = {"clip": CLIP, "siglip": SIGLIP}
Encode = Callable[[Tensor], Tensor]
"""Returns the features [N, P, W] of normalised pixels [N, C, H, H]."""


class Pictures(Protocol):
    """The pictures of a microbatch."""

    @property
    def places_S(self) -> Tensor:  # noqa: N802
        """The placeholders, each as t x B + b, in order of the pictures: int64, on the device."""

    @property
    def layouts(self) -> Sequence[Layout]:
        """How each picture is cut, in order."""

    def features(self, encode: Encode) -> Tensor:
        """Return the features [N, P, W] of all squares in order; `encode` makes those that are not known."""


def spliced(embedded_TBD: Tensor, places_S: Tensor, rows_SD: Tensor) -> Tensor:
    """Return the embeddings with the rows of pictures at their places.

    Raises ValueError if there are more or fewer rows than places.
    """
    if len(rows_SD) != len(places_S):
        raise ValueError(f"{len(places_S)} positions are planned for pictures, and their features take {len(rows_SD)}")
    return embedded_TBD.flatten(0, 1).index_copy(0, places_S, rows_SD.to(embedded_TBD.dtype)).view_as(embedded_TBD)


def anchored(embedded_TBD: Tensor, parts: Sequence[nn.Module]) -> Tensor:
    """Return the embeddings of a batch without pictures, with a gradient of 0 for all trained weights of some parts.

    Ranks with pictures would wait for theirs (Megatron's DDP reduces a bucket once each of its weights has a gradient).
    """
    sums = [weight.sum() for part in parts for weight in part.parameters() if weight.requires_grad]
    return embedded_TBD + 0 * torch.stack(sums).sum().to(embedded_TBD.dtype) if sums else embedded_TBD


class Sight:
    """Eyes that are ready to look at pictures, on the first pipeline stage of a loaded model."""

    def __init__(self, config: EyesConfig, encoder: nn.Module | None, join: Join | None) -> None:
        """None: this pipeline stage has no eyes, and knows the plan alone."""
        self.config, self._encoder, self._join = config, encoder, join
        self.normalisation = NORMALISATIONS[config.normalisation]

    @property
    def identity(self) -> str:
        """Digest of the settings that decide what a picture becomes, besides the weights."""
        text = json.dumps(self.config.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def positions(self, size: Size) -> int:
        """Return the positions of a picture of a size (width, height)."""
        return self.config.positions(size)

    def squares(self, image: Image) -> list[Square]:
        """Return the squares of an RGB picture, as in training."""
        return squares(image, self.config.scheme, self.normalisation)

    @torch.inference_mode()
    def rows(self, squares: Sequence[Square], size: Size) -> Tensor:
        """Return the embeddings [S, D] of a picture of a size from its squares. Collective over tensor parallel ranks.

        Raises ValueError on a pipeline stage without eyes.
        """
        if self._encoder is None or self._join is None:
            raise ValueError("a pipeline stage that is not the first has no eyes")
        pixels = torch.from_numpy(normalised(squares, self.normalisation)).to(device.device())
        return self._join.positions(self._encoder(pixels), [self.config.scheme.layout(size)])
