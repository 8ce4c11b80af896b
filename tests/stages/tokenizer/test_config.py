"""The tokenizer stage's settings and plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile
from stages.shared.errors import ConfigError
from stages.tokenizer.config import TokenizerConfig


def test_all_documents_are_read_by_one_unit() -> None:
    files = tuple(InputFile(Path(f"{i}.zst"), "s") for i in range(9))
    plan = TokenizerConfig(documents="x").plan({"documents": files})
    assert [(step.units, step.ranks) for step in plan.steps] == [(WHOLE, 1)]
    assert [(output.file, output.kind) for output in plan.outputs] == [("tokenizer.model", KINDS.tokenizer)]


def test_an_absurd_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^vocab_size = 32000000: must be at most"):
        TokenizerConfig(documents="x", vocab_size=32_000_000)
    with pytest.raises(ValidationError):
        TokenizerConfig(documents="x", vocab_size=256)
