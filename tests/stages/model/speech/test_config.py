"""The speech encoder's settings: its parameters as they are built, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stages.model.speech.config import SpeechEncoderConfig
from stages.model.speech.conformer import SpeechEncoder
from stages.shared.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"channels": 32}, 225_472),  # NeMo's ConformerEncoder(80, 2, 64), dw_striding by 8, 32 channels
        ({"channels": 32, "stem": "striding", "halvings": 2, "scaled": True}, 252_448),  # striding by 4
        ({"norm": "none", "kernel": 31, "num_mels": 33, "ffn_dim": 48, "halvings": 1}, None),
    ],
)
def test_parameters_are_counted_as_they_are_built(settings: dict[str, Any], expected: int | None) -> None:
    config = SpeechEncoderConfig(**{"num_layers": 2, "dim": 64, **settings})
    with torch.device("meta"):
        built = sum(weight.numel() for weight in SpeechEncoder(config).parameters())
    assert config.num_parameters == built
    assert expected in (built, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 66, "num_heads": 4}, r"encoder\.dim = 66: must be an even multiple of num_heads \(4\)"),
        ({"kernel": 8}, r"encoder\.kernel = 8: must be odd \(for example 9\)"),
    ],
)
def test_settings_that_cannot_work_name_themselves(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpeechEncoderConfig(**settings)
