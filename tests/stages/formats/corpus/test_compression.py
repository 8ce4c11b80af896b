"""A comparison of tokenizers is read as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.corpus.compression import Amount, Comparison, Compression, read_comparison, write_comparison
from stages.shared.errors import DataError

FOUND = Comparison(
    amounts=(Amount(source="web", language="zh", documents=1, bytes=30, words=10),),
    tokenizers={"old": Compression(pieces=300, unused=2, examples=("▁a",), tokens=(12,), byte_tokens=(3,))},
)


def test_what_is_written_is_read_and_what_is_damaged_is_named(tmp_path: Path) -> None:
    write_comparison(tmp_path / "c", FOUND)
    assert read_comparison(tmp_path / "c") == FOUND
    (tmp_path / "c").write_text('{"tokenizers": {"old": {}}}')
    with pytest.raises(DataError, match="no comparison of tokenizers"):
        read_comparison(tmp_path / "c")
