"""The tokenizer stage's settings and plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tokenizer.config import TokenizerConfig


def test_all_documents_go_into_one_shard() -> None:
    files = tuple(InputFile(Path(f"{i}.zst"), "s") for i in range(9))
    plan = TokenizerConfig(documents="x").plan({"documents": files})
    assert [(step.shards, step.ranks) for step in plan.steps] == [(1, 1)]
    assert [(output.name, output.kind) for output in plan.outputs] == [("tokenizer.model", "tokenizer")]


def test_a_vocabulary_that_no_one_can_mean_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.vocab_size is 32000000"):
        TokenizerConfig(documents="x", vocab_size=32_000_000)
    with pytest.raises(ValidationError):
        TokenizerConfig(documents="x", vocab_size=256)
