"""The eyes of a decoder: a vision encoder, a join, and how a picture is cut for them. Light."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from stages.model.joins.config import JoinConfig
from stages.model.vision.config import VisionConfig
from stages.pictures.plan import ONEVISION_TILES, AnyResolution, ClosestShape, Fixed, Scheme, Size
from stages.shared.contract import Section
from stages.shared.errors import ConfigError

ONEVISION_MOST = 9
"""Tiles whose features OneVision keeps (anyres_max_9)."""


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
    any_resolution: Literal["llava", "onevision"] | None = None
    """Tiles of LLaVA 1.6 (llava) or OneVision, of at most 9 tiles' features, behind the whole picture as one more
    square; each row of features ends with a learned newline. None: squares, as `max_tiles` says."""
    normalisation: Literal["clip", "siglip"] = Field(default_factory=_normalisation)
    """Mean and deviation of the pixels' channels that the encoder knows."""

    @model_validator(mode="after")
    def _check(self) -> EyesConfig:
        self.join.require_width(self.encoder.dim)
        if self.any_resolution is None:
            return self
        for name, value, wanted in (
            ("join.kind", self.join.kind, ("linear", "mlp")),
            ("encoder.class_token", self.encoder.class_token, (False,)),
            ("max_tiles", self.max_tiles, (1,)),
        ):
            if value not in wanted:
                words = " or ".join(map(str, wanted))
                raise ConfigError(f"eyes.{name}", value, f"{words} with eyes.any_resolution: rows of features are kept")
        return self

    @model_serializer(mode="wrap")
    def _without_no_resolution(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out an absent `any_resolution`: such eyes keep the identity that they had before it was there."""
        values: dict[str, Any] = dump(self)
        if values.get("any_resolution", ()) is None:
            del values["any_resolution"]
        return values

    @property
    def scheme(self) -> Scheme:
        """The plan of a picture's squares."""
        if self.any_resolution == "llava":
            return AnyResolution(encoder=self.encoder.squares)
        if self.any_resolution == "onevision":
            return AnyResolution(encoder=self.encoder.squares, tiles=ONEVISION_TILES, max_tiles=ONEVISION_MOST)
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
        layout = self.scheme.layout(size)
        return layout.positions if self.any_resolution else layout.squares * self.square_positions

    def num_parameters(self, dim: int) -> int:
        """Return the parameters of encoder and join, for a decoder of width `dim`."""
        newline = dim if self.any_resolution else 0
        return self.encoder.num_parameters + self.join.num_parameters(self.encoder.dim, dim) + newline
