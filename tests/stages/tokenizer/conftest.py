"""One tokenizer for all tests of the tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from tests.stages.tokenizer.texts import PROSE, train, write_documents


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    path = tmp_path_factory.mktemp("a dump's 'folder'") / "documents.jsonl.zst"
    return write_documents(path, PROSE)


@pytest.fixture(scope="session")
def trained(documents: InputFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(documents, tmp_path_factory.mktemp("tokenizer"))
