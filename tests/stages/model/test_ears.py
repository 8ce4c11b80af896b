"""Ears: positions of a sound, known from its number of samples, and parameters as they are built."""

from __future__ import annotations

import pytest

from stages.model.ears import EarsConfig
from stages.model.joins.config import JoinConfig
from stages.model.speech.config import SpeechEncoderConfig
from stages.shared.errors import ConfigError


@pytest.mark.parametrize(
    ("samples", "units", "positions"),
    [
        (0, 0, 0),
        (100, 0, 0),
        (399, 1, 1),
        (1_600, 1, 1),
        (8_000, 1, 4),  # 50 frames, 7 features
        (16_000, 1, 7),
        (32_000, 1, 13),
        (160_000, 1, 63),
        (480_001, 2, 188),  # 1,501 and 1,500 frames: 188 features each
    ],
)
def test_positions_are_those_of_the_encoders_halvings(samples: int, units: int, positions: int) -> None:
    ears = EarsConfig()
    assert (ears.units(samples), ears.positions(samples)) == (units, positions)


def test_parameters_are_those_of_encoder_and_join() -> None:
    ears = EarsConfig(stack=4, encoder=SpeechEncoderConfig(num_layers=2, dim=64, channels=32))
    assert ears.num_parameters(192) == 225_472 + (4 * 64 + 1) * 192 + (192 + 1) * 192


def test_queries_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"join\.kind = 'qformer': must be linear or mlp in model\.ears"):
        EarsConfig(join=JoinConfig(kind="qformer"))
