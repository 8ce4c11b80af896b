"""Which checkpoints are kept."""

from __future__ import annotations

from typing import Any

from stages.pretrain.config import PretrainConfig
from stages.train.state.retention import outdated


def config(**settings: Any) -> PretrainConfig:
    return PretrainConfig(tokens="x", tokenizer="x", **settings)


def test_the_newest_are_kept() -> None:
    assert outdated([30, 10, 20, 40], config(), best=None) == [10, 20]
    assert outdated([10, 20, 30], config(checkpoint_keep=1), best=None) == [10, 20]
    assert outdated([10], config(checkpoint_keep=3), best=None) == []


def test_the_best_is_kept_as_long_as_it_is_the_best() -> None:
    assert outdated([10, 20, 30, 40], config(), best=10) == [20]
    assert outdated([10, 30, 40], config(), best=30) == [10]


def test_what_the_guard_may_go_back_to_is_kept() -> None:
    back = config(checkpoint_keep=1, guard={"on_spike": "rollback", "rollback_every": 20})
    assert outdated([10, 20, 40, 50, 51], back, best=None) == [10, 20, 50]
