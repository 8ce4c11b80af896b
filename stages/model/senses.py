"""The sense of a decoder, pictures or sounds: one encoder and one join, whatever they perceive. Light."""

from __future__ import annotations

from stages.model.ears import EarsConfig
from stages.model.eyes import EyesConfig

PARTS = ("encoder", "join")
"""Parts of a model with a sense beside the decoder; names of their weights start with them."""
SENSES = ("eyes", "ears")
"""Sections of a model's settings; a model has one of them or none."""
Sense = EyesConfig | EarsConfig


def is_of_sense(name: str) -> bool:
    """Return whether a weight, by its global name, is of the encoder or the join."""
    return name.partition(".")[0] in PARTS
