"""Eyes of a language model: an encoder and a join, with the scheme by which they cut pictures into squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from stages.model import device
from stages.pictures.plan import Fixed, Scheme, Size
from stages.pictures.prepare import CLIP, Normalisation, Square, normalised, squares

# Shape suffixes: N = squares, C = channels, S = pixels of a side, Q = positions of a square, P = positions of a
# picture, D = width of the language model.


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """Turns a picture into embeddings of the language model."""

    see: Callable[[Tensor], Tensor]
    """Encoder, then join: normalised pixels [N, C, S, S] become embeddings [N, Q, D]. Collective among tensor parallel
    ranks."""
    queries: int
    """Positions that the join makes of a square."""
    scheme: Scheme
    normalisation: Normalisation = CLIP

    def __post_init__(self) -> None:
        if not isinstance(self.scheme, Fixed):
            raise ValueError(
                f"{type(self.scheme).__name__}: the embeddings of tiles are not arranged yet, one square is"
            )

    def positions(self, size: Size) -> int:
        """Return the positions of a picture of a width and height."""
        return self.scheme.layout(size).squares * self.queries

    def squares(self, image: Image.Image) -> list[Square]:
        """Return the squares that the encoder sees of a loaded picture, as in training."""
        return squares(image, self.scheme, self.normalisation)

    @torch.inference_mode()
    def embedded(self, shown: Sequence[Square]) -> Tensor:
        """Return the embeddings [P, D] of one picture's squares. Other pictures do not change their last bit."""
        pixels_NCSS = torch.from_numpy(normalised(shown, self.normalisation)).to(device.device())
        return self.see(pixels_NCSS).flatten(0, 1)
