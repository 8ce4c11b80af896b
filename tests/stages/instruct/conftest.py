"""One tokenizer for all tests of the instruct stage."""

from __future__ import annotations

import pytest

from stages.shared.contract import InputFile
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train

TEXTS = [f"Question: what is {n} and {n + 1}? Let us think. The answer is the sum, {2 * n + 1}." for n in range(300)]


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train(TEXTS, TokenizerConfig(documents="unused", vocab_size=320)))
    return InputFile(path, "")
