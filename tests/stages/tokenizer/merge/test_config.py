"""What a merge is planned with."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tokenizer.merge.config import MergeConfig

FILE = InputFile(Path("t.model"), "", count=300, section="tokenizer")


def test_a_tokenizer_that_is_still_to_be_made_counts_with_all_its_pieces() -> None:
    config = MergeConfig(tokenizer="x", added="x")
    assert config.plan({"tokenizer": (FILE,), "added": (FILE,)}).outputs[0].count == 600


def test_one_tokenizer_of_each_is_wanted() -> None:
    config = MergeConfig(tokenizer="x", added="from:chinese")
    with pytest.raises(ConfigError, match="exactly one tokenizer file, found 2"):
        config.plan({"tokenizer": (FILE,), "added": (FILE, FILE)})
