"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from stages.train.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Return the rate of step `step`, counted from 1.

    Linear warm-up to lr at `warmup_steps`, then half a cosine down to min_lr_ratio x lr at `steps` (arXiv:2302.13971,
    section 2.3).
    """
    if step < config.warmup_steps:
        return config.lr * step / config.warmup_steps
    span = config.steps - config.warmup_steps
    done = (step - config.warmup_steps) / span if span else 1.0
    return config.lr * (config.min_lr_ratio + (1 - config.min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * done)))
