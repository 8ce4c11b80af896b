"""Questions on pictures: what is written is read, and another file is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.seen import Answered, Seen, read_seen, write_seen
from stages.shared.errors import DataError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    about = {"task": "t", "number": 3, "question": "哪种颜色?", "answer": "", "right": "red", "is_right": None}
    seen = Seen(pictures={"k": "data:,"}, answered=(Answered(pictures=("k", "k"), **about),))
    write_seen(tmp_path / "seen.json", seen)
    assert read_seen(tmp_path / "seen.json") == seen


@pytest.mark.parametrize("content", ["[]", "{", '{"pictures": {}, "answered": [{"task": 1}]}'])
def test_another_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "seen.json").write_text(content)
    with pytest.raises(DataError, match="no questions on pictures"):
        read_seen(tmp_path / "seen.json")
