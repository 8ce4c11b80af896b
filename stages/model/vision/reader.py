"""A vision encoder, a Q-Former and its text side as one model: what learns from captions before any language model
is there (arXiv:2301.12597, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.enums import ModelType
from megatron.core.transformer.module import MegatronModule
from torch import Tensor

from stages.model import device
from stages.model.config import ModelConfig
from stages.model.decoder import Recompute, drawn, fill
from stages.model.eyes import EyesConfig
from stages.model.huggingface.vision.folder import encoder_tensors
from stages.model.joins.qformer import QFormer
from stages.model.joins.text import QFormerText
from stages.model.vision.encoder import VisionEncoder, build_encoder

_ENCODER, _SCALE = "encoder.", "text.log_scale"


class PictureReader(MegatronModule):
    """The encoder, which tensor parallel ranks split; the Q-Former as `join`, and `text`, which each has whole.

    There is one pipeline stage.
    """

    pre_process = post_process = True
    """Megatron's schedules and the telemetry ask every model for these, and for set_input_tensor."""
    share_embeddings_and_output_weights = False

    def __init__(self, encoder: VisionEncoder, join: QFormer, text: QFormerText) -> None:
        super().__init__(config=encoder.config)
        self.encoder, self.join, self.text = encoder, join, text
        self.model_type = ModelType.encoder_or_decoder

    def forward(self, losses: Callable[[PictureReader], Tensor]) -> Tensor:
        """Return the losses that a function computes with the parts of this model."""
        return losses(self)

    def set_input_tensor(self, received: Tensor | None) -> None:
        """Take nothing: there is one pipeline stage."""


class ReaderBuilder:
    """Builds a reader, and sets the weights that it starts from."""

    def __init__(self, eyes: EyesConfig, width: int, temperature: float, folder: Path) -> None:
        """`width` is that of the common space, `folder` has the encoder's weights."""
        self.eyes, self.width, self.temperature, self.folder = eyes, width, temperature, folder

    def __call__(
        self,
        config: ModelConfig,
        vocab_size: int,
        dtype: torch.dtype = torch.float32,
        *,
        chunk: int = 0,
        sp: bool = False,
        recompute: Recompute = "none",
    ) -> PictureReader:
        """Return this rank's part: see stages.model.decoder.build_model. No part is recomputed."""
        join = self.eyes.join
        former = QFormer(join, self.eyes.encoder.dim)
        text = QFormerText(join, config.used_rows(vocab_size), config.text_len, self.width)
        reader = PictureReader(build_encoder(self.eyes.encoder, dtype), former, text)
        reader.to(device=device.device(), dtype=dtype)
        return reader

    def initialise(self, reader: MegatronModule, config: ModelConfig, seed: int) -> None:
        """Fill this rank's weights: the encoder's are the folder's, the others drawn from the seed."""
        read = encoder_tensors(self.eyes.encoder, self.folder, _ENCODER)

        def full_tensor(tensor: ShardedTensor) -> Tensor:
            if tensor.key == _SCALE:
                return torch.full((1,), -math.log(self.temperature))
            return read(tensor) if tensor.key.startswith(_ENCODER) else drawn(tensor, config, seed)

        fill(reader, full_tensor)
