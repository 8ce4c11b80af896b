"""A vision encoder's settings, and what follows from them. Light: pydantic and the standard library only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from stages.pictures.plan import Encoder
from stages.shared.contract import Section
from stages.shared.errors import ConfigError

Activation = Literal["quick_gelu", "gelu", "gelu_tanh"]


def _activation(earlier: dict[str, Any]) -> Activation:
    return "quick_gelu" if earlier.get("family") == "clip" else "gelu_tanh"


def _norm_eps(earlier: dict[str, Any]) -> float:
    return 1e-5 if earlier.get("family") == "clip" else 1e-6


class VisionConfig(Section):
    """Shape of a vision encoder, a ViT. The defaults are CLIP ViT-L/14 (arXiv:2103.00020) as LLaVA uses it: the grid of
    features of the layer before the last (arXiv:2304.08485, section 4.1).
    """

    family: Literal["clip", "siglip"] = "clip"
    """clip: a class token, a norm before the first layer, patches without bias; siglip (arXiv:2303.15343): neither
    class token nor that norm, patches with bias."""
    picture_size: int = Field(default=224, ge=1)
    """Pixels of the side of the square that the encoder sees."""
    patch_size: int = Field(default=14, ge=1)
    """Pixels of the side of a patch; what is left over at the right and bottom is not seen."""
    num_layers: int = Field(default=24, ge=1)
    """Transformer blocks of the whole encoder, those behind `layer` too."""
    dim: int = Field(default=1024, ge=2)
    """Width of a feature."""
    num_heads: int = Field(default=16, ge=1)
    """Attention heads."""
    ffn_dim: int | None = Field(default=None, ge=1)
    """Inner width of the feed-forward block; None: 4 x dim."""
    activation: Activation = Field(default_factory=_activation)
    """Of the feed-forward block: x sigmoid(1.702 x), as OpenAI's CLIP has it, or GELU by the error function or by tanh.
    None of them replaces another: features are up to a tenth off."""
    norm_eps: float = Field(default_factory=_norm_eps, gt=0)
    """Added to the variance in each LayerNorm."""
    layer: int = -2
    """Hidden state that gives the features, as transformers counts them: -1 is the last layer's output, -2 that of the
    layer before, 0 the embeddings. Layers behind it are not built."""
    final_norm: bool = False
    """Whether features pass the norm behind the last layer; wants layer -1."""
    class_token: bool = False
    """Whether the class token's feature is kept, before those of the grid."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights; projections back into the residual stream take it over
    sqrt(2 x num_layers)."""

    @model_validator(mode="after")
    def _check(self) -> VisionConfig:
        if self.patch_size > self.picture_size:
            raise ConfigError("encoder.patch_size", self.patch_size, f"at most picture_size ({self.picture_size})")
        if self.dim % self.num_heads:
            near = max(1, round(self.dim / self.num_heads)) * self.num_heads
            wanted = f"a multiple of num_heads ({self.num_heads}) (for example {near})"
            raise ConfigError("encoder.dim", self.dim, wanted)
        if not -self.num_layers - 1 <= self.layer <= self.num_layers:
            wanted = f"from {-self.num_layers - 1} to {self.num_layers} with {self.num_layers} layers (for example -2)"
            raise ConfigError("encoder.layer", self.layer, wanted)
        if self.final_norm and self.built_layers < self.num_layers:
            raise ConfigError("encoder.final_norm", True, f"false with layer {self.layer}, or layer -1")
        if self.class_token and not self.has_class_token:
            raise ConfigError("encoder.class_token", True, f"false with family {self.family}, which has no class token")
        return self

    @property
    def has_class_token(self) -> bool:
        """Whether the encoder has a class token, kept or not."""
        return self.family == "clip"

    @property
    def built_layers(self) -> int:
        """Layers up to the hidden state that gives the features."""
        return self.layer if self.layer >= 0 else self.num_layers + 1 + self.layer

    @property
    def ffn(self) -> int:
        """Inner width of the feed-forward block, with the default resolved."""
        return self.ffn_dim or 4 * self.dim

    @property
    def squares(self) -> Encoder:
        """The grid of features of a square, for the planner of stages.pictures."""
        return Encoder(size=self.picture_size, patch=self.patch_size, class_token=self.class_token)

    @property
    def num_features(self) -> int:
        """Features of one square."""
        return self.squares.positions

    @property
    def num_positions(self) -> int:
        """Rows of the table of positions, the class token's first."""
        return self.squares.side**2 + self.has_class_token

    @property
    def whole(self) -> VisionConfig:
        """The same encoder with all layers and the final norm, as contrastive training and other folders have it."""
        return self.model_copy(update={"layer": -1, "final_norm": True, "class_token": self.has_class_token})

    @property
    def num_parameters(self) -> int:
        """Parameters that are built: CLIP ViT-L/14 has 303,179,776 as a whole, 290,581,504 at layer -2."""
        norm, is_clip = 2 * self.dim, self.family == "clip"
        block = 4 * (self.dim + 1) * self.dim + (2 * self.ffn + 1) * self.dim + self.ffn + 2 * norm
        patches = self.dim * (3 * self.patch_size**2 + (not is_clip))
        tables = (self.num_positions + self.has_class_token) * self.dim
        return patches + tables + self.built_layers * block + norm * (is_clip + self.final_norm)
