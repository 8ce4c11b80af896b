"""Eyes that look at pictures: what evaluation and chat give them, and the embeddings that come back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor, nn

from stages.model import device
from stages.model.eyes import EyesConfig
from stages.pictures.plan import Size
from stages.pictures.prepare import CLIP, SIGLIP, Normalisation, Square, normalised, squares

# Shape suffixes: D = width of the residual stream, S = positions of a picture, N = squares, Q = positions of a square.

NORMALISATIONS: dict[str, Normalisation] = {"clip": CLIP, "siglip": SIGLIP}


class Sight:
    """Eyes that are ready to look at pictures, on the first pipeline stage of a loaded model."""

    def __init__(self, config: EyesConfig, encoder: nn.Module | None, join: nn.Module | None) -> None:
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

    def cut(self, image: Image) -> list[Square]:
        """Return the squares of an RGB picture, as in training."""
        return squares(image, self.config.scheme, self.normalisation)

    @torch.inference_mode()
    def rows(self, cut: Sequence[Square]) -> Tensor:
        """Return the embeddings [S, D] of the squares of a picture. Collective over tensor parallel ranks.

        Raises ValueError on a pipeline stage without eyes.
        """
        if self._encoder is None or self._join is None:
            raise ValueError("a pipeline stage that is not the first has no eyes")
        pixels = torch.from_numpy(normalised(cut, self.normalisation)).to(device.device())
        rows_NQD: Tensor = self._join(self._encoder(pixels))
        return rows_NQD.flatten(0, 1)
