"""The eyes of a decoder: a vision encoder, a join, and how a picture is cut for them. Light."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from stages.model.joins.config import JoinConfig
from stages.model.vision.config import VisionConfig
from stages.pictures.plan import ClosestShape, Fixed, Scheme, Size
from stages.shared.contract import Section


def _normalisation(earlier: dict[str, Any]) -> Literal["clip", "siglip"]:
    encoder: VisionConfig | None = earlier.get("encoder")
    return encoder.family if encoder else "clip"


class EyesConfig(Section):
    """How a picture becomes positions of a decoder. The defaults are LLaVA 1.5's (arXiv:2310.03744)."""

    encoder: VisionConfig = VisionConfig()
    """The vision encoder."""
    join: JoinConfig = JoinConfig()
    """The part between encoder and decoder."""
    fit: Literal["crop", "pad", "stretch"] = "pad"
    """How a picture becomes a square: its middle, all of it on the mean colour, or distorted."""
    max_tiles: int = Field(default=1, ge=1)
    """Most squares that a picture is cut into, in the grid closest to its shape, with the whole picture as one more
    (InternVL, arXiv:2404.16821, section 3.1). 1: one square a picture."""
    normalisation: Literal["clip", "siglip"] = Field(default_factory=_normalisation)
    """Mean and deviation of the pixels' channels that the encoder knows."""

    @model_validator(mode="after")
    def _check(self) -> EyesConfig:
        self.join.require_width(self.encoder.dim)
        return self

    @property
    def scheme(self) -> Scheme:
        """The plan of a picture's squares."""
        if self.max_tiles > 1:
            return ClosestShape(encoder=self.encoder.squares, max_tiles=self.max_tiles)
        return Fixed(encoder=self.encoder.squares, fit=self.fit)

    @property
    def square_positions(self) -> int:
        """Positions of one square."""
        return self.join.positions(self.encoder.num_features)

    @property
    def width(self) -> int:
        """Width of what the join reads."""
        return self.encoder.dim

    def squares(self, size: Size) -> int:
        """Return the squares of a picture of a size (width, height)."""
        return self.scheme.layout(size).squares

    def positions(self, size: Size) -> int:
        """Return the positions that a picture of a size (width, height) takes."""
        return self.squares(size) * self.square_positions

    def num_parameters(self, dim: int) -> int:
        """Return the parameters of encoder and join, for a decoder of width `dim`."""
        return self.encoder.num_parameters + self.join.num_parameters(self.encoder.dim, dim)
