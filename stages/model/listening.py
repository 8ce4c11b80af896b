"""Ears that listen to sounds: what evaluation and chat give them, and the embeddings that come back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.model import device
from stages.model.ears import EarsConfig
from stages.model.speech.mel import frames
from stages.pictures.sound import Samples

# Shape suffixes: T = frames or features of a piece, M = mel bands, W = width of a feature, Q = positions of a piece,
# K = features that are stacked, S = positions of a sound, D = width of the residual stream.

Piece = NDArray[np.float32]
"""Frames of a piece of a sound, [T, M]."""


def pieces(config: EarsConfig, samples: Samples) -> list[Piece]:
    """Return the frames of a sound's pieces, those that have a position."""
    cuts = config.hearing.pieces(len(samples))
    found = [frames(samples[start:end], config.encoder.num_mels).numpy() for start, end in cuts]
    return [piece for piece in found if len(piece)]


def stacked(features_TW: Tensor, count: int) -> Tensor:
    """Return the features of a piece, `count` of them joined to one, [Q, K x W]; zeros fill the last one."""
    filled_TW = F.pad(features_TW, (0, 0, 0, -len(features_TW) % count))
    found_QW: Tensor = filled_TW.unflatten(0, (-1, count)).flatten(1)
    return found_QW


class Listener:
    """Ears that are ready to listen, on the first pipeline stage of a loaded model."""

    def __init__(self, config: EarsConfig, encoder: nn.Module | None, join: nn.Module | None) -> None:
        """None: this pipeline stage has no ears, and knows the plan alone."""
        self.config, self._encoder, self._join = config, encoder, join

    @property
    def identity(self) -> str:
        """Digest of the settings that decide what a sound becomes, besides the weights."""
        text = json.dumps(self.config.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def positions(self, samples: int) -> int:
        """Return the positions of a sound of 16 kHz."""
        return self.config.positions(samples)

    def cut(self, samples: Samples) -> list[Piece]:
        """Return the pieces of a sound of 16 kHz, as in training."""
        return pieces(self.config, samples)

    @torch.inference_mode()
    def rows(self, cut: Sequence[Piece]) -> Tensor:
        """Return the embeddings [S, D] of the pieces of a sound.

        Raises ValueError on a pipeline stage without ears.
        """
        if self._encoder is None or self._join is None:
            raise ValueError("a pipeline stage that is not the first has no ears")
        features = self._encoder([torch.from_numpy(piece).to(device.device()) for piece in cut])
        rows_1SD: Tensor = self._join(torch.cat([stacked(each, self.config.stack) for each in features])[None])
        return rows_1SD[0]
