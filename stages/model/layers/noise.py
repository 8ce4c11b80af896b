"""Noise on embeddings, as NEFTune adds it in fine-tuning (arXiv:2310.05914, section 2).

A number of the noise is a hash of the sample's key, the token's place and the column: it is the same on every device,
in every layout, and whatever was drawn before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_STEP = 0x9E3779B9
"""2^32 over the golden ratio: neighbouring counters become far apart."""

# Shape suffixes: T = tokens, B = sequences, D = width of the residual stream.


@dataclass(frozen=True)
class EmbeddingNoise:
    """The noise of a microbatch."""

    keys_B: Tensor  # noqa: N815  (a shape)
    """Key of each sample, int64."""
    sizes_BT: Tensor  # noqa: N815  (a shape)
    """Largest noise of each token's numbers."""

    def added(self, embedded_TBD: Tensor, first: int) -> Tensor:
        """Return embeddings with noise, uniform in -size to size; `first` is the place of their first token."""
        tokens, _, width = embedded_TBD.shape
        places_T = torch.arange(first, first + tokens, device=embedded_TBD.device)
        keys_TB1 = hashed(self.keys_B[None, :] + _STEP * places_T[:, None])[..., None]
        columns_D = torch.arange(width, device=embedded_TBD.device)
        drawn_TBD = hashed(keys_TB1 + _STEP * columns_D).float() * 2.0**-31 - 1.0
        sizes_TB1 = self.sizes_BT[:, first : first + tokens].t()[..., None]
        return embedded_TBD + (drawn_TBD * sizes_TB1).to(embedded_TBD.dtype)


def hashed(numbers: Tensor) -> Tensor:
    """Return a hash below 2^32 of the low 32 bits of each number, int64 (Wellons' lowbias32, nullprogram.com)."""
    x = numbers & _MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)
