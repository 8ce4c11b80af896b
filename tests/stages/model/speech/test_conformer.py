"""The speech encoder: numbers of NeMo's ConformerEncoder, sounds that do not see each other, and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.model.speech.config import SpeechEncoderConfig
from stages.model.speech.conformer import SpeechEncoder
from stages.model.speech.mel import frames
from tests.stages.model.speech.signals import samples, set_weights

SIZES = (16_000, 8_000, 399)
SMALL = {"num_layers": 2, "dim": 64, "channels": 32}


def encoder(**settings: Any) -> SpeechEncoder:
    found = SpeechEncoder(SpeechEncoderConfig(**{**SMALL, **settings}))
    set_weights(found)
    return found


def sounds() -> list[Tensor]:
    return [frames(samples(count), 80) for count in SIZES]


@pytest.mark.parametrize(
    ("settings", "lengths", "expected"),
    [
        (
            {"stem": "striding", "halvings": 2, "scaled": True},
            [25, 13, 1],
            [[-0.46434, 0.02087, -0.22473], [-0.46957, 1.14846, -0.17867], [0.10834, 1.81303, 0.03047]],
        ),
        (
            {"stem": "dw_striding", "halvings": 3},
            [13, 7, 1],
            [[-1.18845, 1.94644, 0.26549], [-1.21579, 1.6939, 0.28588], [0.05564, 1.24898, -0.60346]],
        ),
    ],
)
def test_features_are_nemos(settings: dict[str, Any], lengths: list[int], expected: list[list[float]]) -> None:
    with torch.no_grad():
        found = encoder(**settings)(sounds())
    assert [len(each) for each in found] == lengths
    for each_TW, numbers in zip(found, expected, strict=True):
        places = each_TW[0, 0], each_TW[len(each_TW) // 2, 31], each_TW[-1, 63]
        assert [float(number) for number in places] == pytest.approx(numbers, abs=5e-5)


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_sound_has_the_features_that_it_has_alone(norm: str) -> None:
    model = encoder(norm=norm)
    with torch.no_grad():
        together = model(sounds())
        alone = [model([each])[0] for each in sounds()]
    for one_TW, other_TW in zip(together, alone, strict=True):
        assert torch.allclose(one_TW, other_TW, atol=1e-5 * float(other_TW.abs().max()))


def test_every_weight_has_a_gradient() -> None:
    model = encoder()
    torch.cat(model(sounds())).pow(2).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in model.parameters())
