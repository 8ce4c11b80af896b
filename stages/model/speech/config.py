"""A speech encoder's settings, and what follows from them. Light: pydantic and the standard library only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError


class SpeechEncoderConfig(Section):
    """Shape of a speech encoder: NeMo's Conformer (arXiv:2005.08100) over log-mel frames of 10 ms, without dropout. The
    defaults are NeMo's medium size (examples/asr/conf/fastconformer, 32 M).
    """

    num_mels: int = Field(default=80, ge=1)
    """Mel bands of a frame; NeMo's `features`."""
    stem: Literal["striding", "dw_striding"] = "dw_striding"
    """Convolutions that halve the number of frames: plain ones (Conformer), or one for each channel and then one for
    each place (FastConformer, arXiv:2305.05084)."""
    halvings: int = Field(default=3, ge=1, le=4)
    """Times that the stem halves the number of frames, rounded up each time: 2 of Conformer, 3 of FastConformer."""
    channels: int | None = Field(default=None, ge=1)
    """Channels of the stem; None: dim. FastConformer has 256."""
    num_layers: int = Field(default=16, ge=1)
    """Conformer blocks."""
    dim: int = Field(default=256, ge=2)
    """Width of a feature."""
    num_heads: int = Field(default=4, ge=1)
    """Attention heads."""
    ffn_dim: int | None = Field(default=None, ge=1)
    """Inner width of the feed-forward blocks; None: 4 x dim."""
    kernel: int = Field(default=9, ge=1)
    """Features that a block's convolution joins, odd: 31 of Conformer, 9 of FastConformer."""
    norm: Literal["layer", "none"] = "layer"
    """Behind a block's convolution. none: a batch norm's statistics are folded into the convolution, as when a NeMo
    model is imported; a batch norm that learns would make a sound's features depend on its neighbours."""
    scaled: bool = False
    """Whether the stem's output is multiplied by sqrt(dim), NeMo's `xscaling`."""
    init_std: float | None = Field(default=None, gt=0)
    """Standard deviation of the initial weights; None: of each matrix the square root of 1 / inputs."""

    @model_validator(mode="after")
    def _check(self) -> SpeechEncoderConfig:
        if self.dim % self.num_heads or self.dim % 2:
            near = max(1, round(self.dim / self.num_heads)) * self.num_heads
            wanted = (
                f"an even multiple of num_heads ({self.num_heads}) (for example {near + near % 2 * self.num_heads})"
            )
            raise ConfigError("encoder.dim", self.dim, wanted)
        if self.kernel % 2 == 0:
            raise ConfigError("encoder.kernel", self.kernel, f"odd (for example {self.kernel + 1})")
        return self

    @property
    def width(self) -> int:
        """Channels of the stem, with the default resolved."""
        return self.channels or self.dim

    @property
    def ffn(self) -> int:
        """Inner width of the feed-forward blocks, with the default resolved."""
        return self.ffn_dim or 4 * self.dim

    @property
    def bands(self) -> int:
        """Mel bands behind the stem."""
        bands = self.num_mels
        for _ in range(self.halvings):
            bands = -(-bands // 2)
        return bands

    @property
    def num_parameters(self) -> int:
        """Parameters of stem and blocks."""
        own, width = self.dim, self.width
        first, further = 10 * width, self.halvings - 1
        step = 10 * width + (width + 1) * width if self.stem == "dw_striding" else (9 * width + 1) * width
        stem = first + further * step + (width * self.bands + 1) * own
        attention = 4 * (own + 1) * own + own * own + 2 * own
        feed = (own + 1) * self.ffn + (self.ffn + 1) * own
        convolution = (own + 1) * 2 * own + (self.kernel + 1) * own + (own + 1) * own + 2 * own * (self.norm == "layer")
        return stem + self.num_layers * (attention + 2 * feed + convolution + 10 * own)
