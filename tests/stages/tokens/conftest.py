"""One tokenizer for all tests of the tokens stage."""

from __future__ import annotations

import pytest

from stages.shared.contract import InputFile
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train
from tests.stages.tokens.corpora import TEXTS


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    path.write_bytes(train([text for _, text in TEXTS], TokenizerConfig(documents="unused", vocab_size=300)))
    return InputFile(path, "")
