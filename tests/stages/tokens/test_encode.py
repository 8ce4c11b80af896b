"""Held-out documents, and documents without an id."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.documents import DocumentWriter
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.tokens.config import TokensConfig
from tests.stages.harness import run_stage


def test_a_document_without_an_id_is_named(tokenizer: InputFile, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.zst"
    with DocumentWriter(path) as writer:
        writer.write({"id": "fine", "text": "x"})
        writer.write({"text": "y"})
    config = TokensConfig(documents="unused", tokenizer="unused")
    with pytest.raises(DataError, match=r"bad\.jsonl\.zst:2: a document without an id"):
        run_stage(config, {"documents": (InputFile(path, "s"),), "tokenizer": (tokenizer,)}, tmp_path / "run")
