"""Sizes read from a configuration."""

from __future__ import annotations

import pytest

from stages.model.config import ModelConfig
from stages.pretrain.config import PretrainConfig
from stages.train.planner.shape import Layout, divisors, shape_of


@pytest.mark.parametrize("settings", [{}, {"num_kv_heads": 2, "ffn_dim": 100}])
def test_the_planner_counts_the_parameters_that_the_model_has(settings: dict[str, int]) -> None:
    model = ModelConfig(**settings)
    assert shape_of(model, 1000).parameters == model.num_parameters(1024)


def test_a_step_is_read_from_the_settings() -> None:
    layout = {"tp": 2, "pp": 2, "dp": 3}
    config = PretrainConfig(tokens="x", tokenizer="x", layout=layout, global_batch=24, microbatch=2, dtype="bf16")
    work = config.workload(300)
    assert (work.tokens, work.width, work.shape.vocab_size) == (24 * 128, 2, 384)
    assert config.planned_layout == Layout(tp=2, pp=2, dp=3, microbatch=2)
    assert config.planned_layout.microbatches(24) == 4


def test_a_layout_is_written_without_what_it_does_not_use() -> None:
    assert str(Layout(tp=8, dp=4)) == "tp 8 pp 1 dp 4"
    assert str(Layout(tp=8, pp=2, interleave=4, sp=True, recompute="full")) == (
        "tp 8 pp 2 dp 1 interleave 4 sp recompute full"
    )


def test_divisors_are_all_and_in_order() -> None:
    assert divisors(36) == [1, 2, 3, 4, 6, 9, 12, 18, 36]
    assert divisors(1) == [1]
