"""The mel front end: numbers of NeMo's FilterbankFeatures, and the frames of short and silent sounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.model.speech.mel import frames
from tests.stages.model.speech.signals import samples


@pytest.mark.parametrize(
    ("count", "expected", "total"),
    [
        (16_000, (6.46396, 0.12389, 1.82670), 4502.866),
        (8_000, (5.15691, 0.13101, 2.00238), 2257.518),
        (399, (0.7071, 0.7071, -0.7071), 113.137),
    ],
)
def test_frames_are_nemos(count: int, expected: tuple[float, float, float], total: float) -> None:
    found_TM = frames(samples(count), 80)
    assert [float(found_TM[0, 0]), float(found_TM[len(found_TM) // 2, 5]), float(found_TM[-1, 79])] == pytest.approx(
        expected, abs=2e-5
    )
    assert float(found_TM.abs().sum()) == pytest.approx(total, abs=2e-3)


@pytest.mark.parametrize(
    ("count", "valid"), [(0, 0), (100, 0), (160, 1), (399, 2), (1_600, 10), (8_000, 50), (32_000, 200)]
)
def test_a_sound_has_a_frame_for_each_whole_hop(count: int, valid: int) -> None:
    assert frames(samples(count), 80).shape == (valid, 80)


def test_silence_and_one_frame_are_finite_and_near_0() -> None:
    for count in (160, 1_600):
        assert float(frames(np.zeros(count, np.float32), 80).abs().max()) < 0.2  # NeMo: 0.16


def test_each_band_has_mean_0_and_deviation_1() -> None:
    noise = np.random.RandomState(1).randn(16_000).astype(np.float32) / 10
    found_TM = frames(noise, 40)
    assert torch.allclose(found_TM.mean(0), torch.zeros(40), atol=1e-4)
    assert torch.allclose(found_TM.std(0), torch.ones(40), atol=1e-3)
