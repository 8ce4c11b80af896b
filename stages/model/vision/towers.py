"""Two towers for contrastive training (arXiv:2103.00020, section 2.3): a vision encoder beside a decoder of text."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.transformer.module import MegatronModule
from torch import Tensor, nn

from stages.model import device
from stages.model.config import ModelConfig
from stages.model.decoder import Decoder, Recompute, build_model, drawn, fill
from stages.model.huggingface.vision.folder import encoder_tensors
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import VisionEncoder, build_encoder

# Shape suffixes: B = pairs, C = 3 channels, H, W = pixels, T = tokens of a text, P = features, D = a tower's width,
# E = width of the common space.

ENCODER = "encoder."
"""Start of the names of the encoder's weights."""
_SCALE = "log_scale"
_MOST = math.log(100.0)
"""The similarity is scaled by at most 100 (arXiv:2103.00020, section 2.5)."""


class TwoTowers(MegatronModule):
    """A vision encoder as a whole and a decoder without a head, each with a matrix into the common space.

    Every tensor parallel rank holds these matrices whole. There is one pipeline stage.
    """

    def __init__(self, encoder: VisionEncoder, text: Decoder, width: int) -> None:
        super().__init__(config=text.config)
        self.encoder, self.text = encoder, text
        self.model_type = text.model_type
        self.picture_head = nn.Linear(encoder.shape.dim, width, bias=False)
        self.text_head = nn.Linear(text.config.hidden_size, width, bias=False)
        self.log_scale = nn.Parameter(torch.empty(1))

    def forward(self, tokens_BT: Tensor, positions_BT: Tensor, last_B: Tensor, pixels_BCHW: Tensor) -> Tensor:
        """Return [2, B, E] float32: pictures, of the learned scale's length, and texts, of length 1.

        Products of the two are the scaled similarities. A text is read at its token number `last_B`; a picture at its
        class token, or as the mean of its features where the encoder has none.
        """
        features_BPD = self.encoder(pixels_BCHW)
        picture_BD = features_BPD[:, 0] if self.encoder.shape.has_class_token else features_BPD.mean(1)
        hidden_BTD = self.text(tokens_BT, positions_BT)
        text_BD = hidden_BTD[torch.arange(len(last_B), device=last_B.device), last_B]
        pictures_BE = F.normalize(self.picture_head(picture_BD).float(), dim=-1)
        texts_BE = F.normalize(self.text_head(text_BD).float(), dim=-1)
        return torch.stack([pictures_BE * self.log_scale.float().clamp(max=_MOST).exp(), texts_BE])

    pre_process = True
    """Megatron's schedules and the telemetry ask every model for this and what follows: here it is the text's."""

    @property
    def embedding(self) -> nn.Module:
        """The embedding of text."""
        embedding: nn.Module = self.text.embedding
        return embedding

    @property
    def decoder(self) -> nn.Module:
        """The layers that read text."""
        layers: nn.Module = self.text.decoder
        return layers

    def set_input_tensor(self, received: Tensor | None) -> None:
        """Take nothing: there is one pipeline stage."""
        self.text.set_input_tensor(received)


class TowersBuilder:
    """Builds two towers, and sets the weights that they start from."""

    def __init__(self, encoder: VisionConfig, width: int, temperature: float, folder: Path | None = None) -> None:
        """`folder`: weights of the encoder to start from; None: drawn."""
        self.encoder, self.width, self.temperature, self.folder = encoder.whole, width, temperature, folder

    def __call__(
        self,
        config: ModelConfig,
        vocab_size: int,
        dtype: torch.dtype = torch.float32,
        *,
        chunk: int = 0,
        sp: bool = False,
        recompute: Recompute = "none",
    ) -> TwoTowers:
        """Return this rank's part: see stages.model.decoder.build_model."""
        text = build_model(config, vocab_size, dtype, chunk=chunk, sp=sp, recompute=recompute)
        towers = TwoTowers(build_encoder(self.encoder, dtype), text, self.width)
        towers.to(device=device.device())
        return towers

    def initialise(self, towers: MegatronModule, config: ModelConfig, seed: int) -> None:
        """Fill this rank's weights: drawn as stages.model.decoder.initialise does, or the folder's."""
        read = None if self.folder is None else encoder_tensors(self.encoder, self.folder, ENCODER)

        def full_tensor(tensor: ShardedTensor) -> Tensor:
            if tensor.key == _SCALE:
                return torch.full((1,), -math.log(self.temperature))
            if not tensor.key.startswith(ENCODER):
                return drawn(tensor, config, seed)
            return read(tensor) if read else drawn(tensor, self.encoder, seed)

        fill(towers, full_tensor)
