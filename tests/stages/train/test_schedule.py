"""The learning rate, step by step."""

from __future__ import annotations

import pytest

from stages.pretrain.config import PretrainConfig
from stages.train.schedule import learning_rate


def rates(**settings: float) -> list[float]:
    config = PretrainConfig(tokens="x", tokenizer="x", lr=1.0, **settings)
    return [learning_rate(config, step) for step in range(1, config.steps + 1)]


def test_it_rises_to_the_peak_and_falls_to_its_share() -> None:
    lr = rates(steps=100, warmup_steps=10, min_lr_ratio=0.1)
    assert lr[0] == pytest.approx(0.1)
    assert lr[9] == pytest.approx(1.0)
    assert lr[54] == pytest.approx(0.55)  # half way down
    assert lr[99] == pytest.approx(0.1)
    assert lr[:10] == sorted(lr[:10])
    assert lr[9:] == sorted(lr[9:], reverse=True)


@pytest.mark.parametrize("warmup_steps", [0, 1, 5])
def test_it_is_never_zero_or_above_the_peak(warmup_steps: int) -> None:
    assert all(0 < lr <= 1 for lr in rates(steps=5, warmup_steps=warmup_steps))
