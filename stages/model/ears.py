"""The ears of a decoder: a speech encoder, a join, and how a sound is cut for them. Light."""

from __future__ import annotations

from pydantic import Field, model_validator

from stages.model.joins.config import JoinConfig
from stages.model.speech.config import SpeechEncoderConfig
from stages.pictures.frames import Hearing
from stages.shared.contract import Section
from stages.shared.errors import ConfigError

RATE = 16_000
"""Samples a second that the encoder hears."""


class EarsConfig(Section):
    """How a sound becomes positions of a decoder."""

    encoder: SpeechEncoderConfig = SpeechEncoderConfig()
    """The speech encoder."""
    stack: int = Field(default=2, ge=1)
    """Neighbouring features that become one position; the last stack of a piece is filled up with zeros."""
    join: JoinConfig = JoinConfig()
    """The part between stacked features and decoder: linear or mlp."""
    max_seconds: int = Field(default=30, ge=1)
    """Longest piece that is encoded as a whole; a longer sound is cut into pieces of about equal length."""

    @model_validator(mode="after")
    def _check(self) -> EarsConfig:
        if self.join.kind not in ("linear", "mlp"):
            wanted = "linear or mlp in model.ears: queries would give a second and a minute as many positions"
            raise ConfigError("join.kind", self.join.kind, wanted)
        return self

    @property
    def hearing(self) -> Hearing:
        """The plan of a sound's frames and positions."""
        return Hearing(halvings=self.encoder.halvings, stack=self.stack, max_samples=self.max_seconds * RATE)

    @property
    def width(self) -> int:
        """Width of what the join reads."""
        return self.stack * self.encoder.dim

    def units(self, samples: int) -> int:
        """Return the pieces of a sound that have a position."""
        return sum(end - start >= self.hearing.hop for start, end in self.hearing.pieces(samples))

    def positions(self, samples: int) -> int:
        """Return the positions of a sound; 0 for one of less than 10 ms."""
        return sum(self.hearing.positions(end - start) for start, end in self.hearing.pieces(samples))

    def num_parameters(self, dim: int) -> int:
        """Return the parameters of encoder and join, for a decoder of width `dim`."""
        return self.encoder.num_parameters + self.join.num_parameters(self.width, dim)
