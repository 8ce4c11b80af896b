"""Held-out documents, and documents without an id."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.documents import DocumentWriter
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.tokens.config import TokensConfig
from stages.tokens.encode import is_heldout
from tests.stages.harness import run_stage


def test_nothing_is_held_out_at_zero_and_the_share_is_kept() -> None:
    ids = [f"id-{n}" for n in range(20_000)]
    assert not any(is_heldout(i, 0.0) for i in ids)
    assert 0.045 < sum(is_heldout(i, 0.05) for i in ids) / len(ids) < 0.055
    assert {i for i in ids if is_heldout(i, 0.01)} <= {i for i in ids if is_heldout(i, 0.05)}


def test_a_document_without_an_id_is_named(tokenizer: InputFile, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.zst"
    with DocumentWriter(path) as writer:
        writer.write({"id": "fine", "text": "x"})
        writer.write({"text": "y"})
    config = TokensConfig(documents="unused", tokenizer="unused")
    with pytest.raises(DataError, match=r"bad\.jsonl\.zst:2: a document without an id"):
        run_stage(config, {"documents": (InputFile(path, "s"),), "tokenizer": (tokenizer,)}, tmp_path / "run")
