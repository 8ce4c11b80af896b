"""The token_counts format."""

from __future__ import annotations

from pathlib import Path

from stages.formats.token_counts import read_token_counts, write_token_counts


def test_counts_come_back_and_sources_are_sorted(tmp_path: Path) -> None:
    counts = {s: {"documents": 1, "tokens": 2, "heldout_documents": 0} for s in ("b", "a \n数")}
    write_token_counts(tmp_path / "counts.json", counts)
    assert read_token_counts(tmp_path / "counts.json") == counts
    assert list(read_token_counts(tmp_path / "counts.json")) == ["a \n数", "b"]
