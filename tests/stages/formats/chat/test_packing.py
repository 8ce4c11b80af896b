"""The format of what became of packed chats."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.chat.packing import PackedSource, Packing, read_packing, write_packing
from stages.shared.errors import DataError

SOURCE = PackedSource(
    **{"chats": 9, "examples": 7, "rows": 2, "tokens": 14, "learned": 5},
    **{"heldout_examples": 1, "heldout_rows": 1, "heldout_tokens": 3, "lost_tokens": 20},
    counts={"too_long": 1},
)


def test_a_packing_is_read_as_it_was_written(tmp_path: Path) -> None:
    packing = Packing(row_tokens=8, sources={"own": SOURCE})
    write_packing(tmp_path / "packing.json", packing)
    assert read_packing(tmp_path / "packing.json") == packing
    assert packing.fill("own") == 14 / 16


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "packing.json").write_text('{"row_tokens": 8}', encoding="utf-8")
    with pytest.raises(DataError, match=r"packing\.json: not a packing"):
        read_packing(tmp_path / "packing.json")
