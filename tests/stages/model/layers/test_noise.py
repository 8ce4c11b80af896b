"""Noise on embeddings."""

from __future__ import annotations

import pytest
import torch

from stages.model.layers.noise import EmbeddingNoise, hashed


def noise(*keys: int, size: float = 1.0, tokens: int = 8) -> EmbeddingNoise:
    return EmbeddingNoise(torch.tensor(keys), torch.full((len(keys), tokens), size))


def test_a_hash_is_that_of_the_published_function_and_of_the_low_32_bits() -> None:
    numbers = [0, 1, 2, 2**31, 2**32 - 1]
    wanted = [lowbias32(number) for number in numbers]
    assert wanted[1] == 0x688990C0
    assert hashed(torch.tensor(numbers)).tolist() == wanted
    assert hashed(torch.tensor([number + 2**32 for number in numbers])).tolist() == wanted


def lowbias32(x: int) -> int:
    x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
    return x ^ (x >> 16)


def test_the_noise_is_uniform_within_its_size() -> None:
    drawn = noise(*range(64), size=0.5, tokens=64).added(torch.zeros(64, 64, 64), first=0)
    assert float(drawn.abs().max()) <= 0.5
    assert float(drawn.mean()) == pytest.approx(0.0, abs=2e-3)
    assert float(drawn.var()) == pytest.approx(1 / 12, abs=1e-3)
    flat = drawn.flatten()
    for lag in (1, 64, 64 * 64):  # columns, samples, tokens
        assert abs(float((flat[lag:] * flat[:-lag]).mean())) < 2e-3


def test_a_sample_has_the_same_noise_alone_and_in_a_part_of_the_sequence() -> None:
    embedded = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(1))
    whole = noise(5, 6, 7).added(embedded, first=0)
    assert torch.equal(noise(6).added(embedded[:, 1:2], first=0), whole[:, 1:2])
    assert torch.equal(noise(5, 6, 7).added(embedded[4:], first=4), whole[4:])
    assert not torch.equal(noise(8, 6, 7).added(embedded, first=0)[:, 0], whole[:, 0])
