"""Layouts that cannot work are refused before anything is queued, with the nearest that can."""

from __future__ import annotations

from typing import Any

import pytest

from stages.pretrain.config import PretrainConfig
from stages.shared.errors import ConfigError
from stages.train.config import TrainingConfig

MODEL = {"num_layers": 6, "dim": 96, "num_heads": 6, "num_kv_heads": 3, "ffn_dim": 250}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": {"tp": 4}}, r"layout\.tp = 4: must be a divisor of model\.num_heads \(6\) \(for example 3\)"),
        ({"layout": {"tp": 2}}, r"layout\.tp = 2: must be a divisor of model\.num_kv_heads \(3\) \(for example 1\)"),
        ({"layout": {"tp": 3}}, r"layout\.tp = 3: must be a divisor of model\.ffn_dim \(250\) \(for example 2\)"),
        ({"layout": {"pp": 4}}, r"layout\.pp = 4: must be a divisor of model\.num_layers \(6\) \(for example 3\)"),
        (
            {"layout": {"dp": 3}, "microbatch": 2, "global_batch": 16},
            r"global_batch = 16: must be a multiple of microbatch x layout\.dp \(2 x 3\) \(for example 18\)",
        ),
        (
            {"layout": {"cp": 2}, "attend_across_documents": False},
            r"attend_across_documents = False: must be true with layout\.cp",
        ),
        ({"steps": 400, "warmup_steps": 500}, r"warmup_steps = 500: must be at most steps \(400\)"),
    ],
)
def test_what_does_not_divide_names_the_nearest_that_does(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PretrainConfig(tokens="x", tokenizer="x", model=MODEL, **settings)


def test_tokens_follow_from_the_batch() -> None:
    config = PretrainConfig(tokens="x", tokenizer="x", global_batch=24, microbatch=3, layout={"dp": 2})
    assert (config.tokens_per_step, config.layout.ranks) == (24 * 128, 2)


def test_only_when_to_save_to_print_and_to_fail_changes_no_weight() -> None:
    left_out = set(TrainingConfig.model_fields) - set(TrainingConfig.weights_depend_on())
    often = {"checkpoint_every", "checkpoint_async", "checkpoint_keep", "checkpoint_keep_every", "log_every"}
    assert left_out == {
        *often,
        "deterministic",  # without it the weights differ anyway
        "timeout_min",
        "checkpoint_keep_at_end",
        "continue_from",
        "continue_step",
        "heldout_every",
        "layer_stats_every",
        "tensorboard",
        "train_tokens",
    }  # tokens act by steps
    own = set(PretrainConfig.weights_depend_on()) - set(TrainingConfig.weights_depend_on())
    assert own == {"mixture", "mixing", "blanks"}
