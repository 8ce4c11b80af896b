"""Documents that pass through blocks keep every field; a second file of none is made all the same."""

from __future__ import annotations

from pathlib import Path

from stages.formats.documents import DocumentWriter, read_documents
from stages.text.blocks.executor import run_pipeline
from stages.text.blocks.rows import ReadRows, WriteRows


def test_fields_of_ones_own_pass_and_documents_go_to_the_file_that_is_selected(tmp_path: Path) -> None:
    rows = [{"id": f"d{n}", "text": f"text {n}", "license": "MIT", "score": n / 4} for n in range(4)]
    with DocumentWriter(tmp_path / "in") as writer:
        for row in rows:
            writer.write(row)
    names = [tmp_path / name for name in ("low", "high", "none")]
    seen: list[int] = []
    select = WriteRows(lambda doc: names[doc.metadata["score"] >= 0.5], names)
    run_pipeline([ReadRows(tmp_path / "in", seen.append), select], tmp_path)
    assert [list(read_documents(name)) for name in names] == [rows[:2], rows[2:], []]
    assert seen == [1, 2, 3, 4]
