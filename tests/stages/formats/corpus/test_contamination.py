"""Formats of the contamination: what is written is read, and what is damaged is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.corpus.contamination import (
    Contamination,
    Item,
    Shared,
    TaskContamination,
    read_contamination,
    read_items,
    read_shared,
    write_contamination,
    write_items,
    write_shared,
)
from stages.shared.errors import DataError

FOUND = Shared(task="piqa", item="ab", document="d1", source="web", words=13, passage="über\n多")


def test_items_and_overlaps_are_read_as_they_were_written(tmp_path: Path) -> None:
    items = [Item(task="piqa", item="ab", text="多佛的\n面包"), Item(task="piqa", item="cd", text="")]
    assert write_items(tmp_path / "items", items) == 2
    assert list(read_items(tmp_path / "items")) == items
    write_shared(tmp_path / "shared", [FOUND])
    assert list(read_shared(tmp_path / "shared")) == [FOUND]


def test_sums_are_read_as_they_were_written(tmp_path: Path) -> None:
    sums = Contamination(
        documents=9,
        contaminated=1,
        remove="document",
        tasks={"piqa": TaskContamination(items=2, short=1, found={"ab": 3})},
        sources={"web": 1},
        examples=(FOUND,),
    )
    write_contamination(tmp_path / "sums", sums)
    assert read_contamination(tmp_path / "sums") == sums


@pytest.mark.parametrize("line", ["{}", "[]", '{"task": "a", "item": "b", "text": 3}', "{", '{"task": "a", "x": "b"}'])
def test_a_line_that_is_no_item_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "items").write_text(f'{{"task": "a", "item": "b", "text": "c"}}\n{line}\n')
    with pytest.raises(DataError, match=r"items:2: not an item .*Write \{task, item, text\}"):
        list(read_items(tmp_path / "items"))


def test_damaged_sums_are_named(tmp_path: Path) -> None:
    (tmp_path / "sums").write_text('{"documents": 3}')
    with pytest.raises(DataError, match="no sums of a contamination"):
        read_contamination(tmp_path / "sums")
