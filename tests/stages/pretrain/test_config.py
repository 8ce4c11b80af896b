"""The pretrain stage's plan and its checks on the login node."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.pretrain.config import PretrainConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

TOKENS = {"tokens": tuple(InputFile(Path(f"tokens-{s}.bin"), s) for s in ("web", "books"))}


def test_all_ranks_of_the_layout_work_on_one_shard() -> None:
    config = PretrainConfig(tokens="x", tokenizer="x", layout={"tp": 2, "pp": 2, "dp": 2})
    plan = config.plan(TOKENS)
    (step,) = plan.steps
    assert (step.shards, step.ranks, step.shape, step.resumes) == (1, 8, "train", True)
    assert [(output.name, output.kind, output.source) for output in plan.outputs] == [
        ("final", "checkpoint", "final"),
        ("untrained", "checkpoint", "untrained"),
        ("metrics.jsonl", "metrics", ""),
    ]


def test_settings_that_change_no_weight_are_not_in_the_identity() -> None:
    (step,) = PretrainConfig(tokens="x", tokenizer="x").plan(TOKENS).steps
    left_out = set(PretrainConfig.model_fields) - set(step.uses) - set(step.reads)
    assert left_out == {"checkpoint_every", "log_every", "train_tokens", "reference", "tolerance"}
    (checked,) = PretrainConfig(tokens="x", tokenizer="x", reference="x").plan(TOKENS).steps
    assert set(checked.uses) - set(step.uses) == {"tolerance"}


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ({"web": 1.0, "book": 1.0}, r"mixture\.book is 1\.0: want a source of tokens \(did you mean 'books'\?\)"),
        ({"web": 1.0}, "mixture is .*: want a weight for every source of tokens, 'books' too"),
    ],
)
def test_a_mixture_must_name_the_sources(mixture: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PretrainConfig(tokens="x", tokenizer="x", mixture=mixture).plan(TOKENS)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_must_be_above_nothing(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"mixture\.web is .*: want a weight above 0"):
        PretrainConfig(tokens="x", tokenizer="x", mixture={"web": weight})
