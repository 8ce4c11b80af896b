from pathlib import Path

import pytest
import zstandard

from stages.formats.documents import DocumentWriter, read_documents
from stages.shared.errors import DataError

ROWS = [
    {"id": str(i), "text": text} for i, text in enumerate(["", "a line\nand another", "\u2028 Zürich 東京 \x00 😀"])
]


def write(path: Path, rows: list[dict[str, str]]) -> bytes:
    with DocumentWriter(path) as writer:
        for row in rows:
            writer.write(row)
    assert (writer.count, writer.chars) == (len(rows), sum(len(row["text"]) for row in rows))
    return path.read_bytes()


def test_documents_come_back_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "a.zst", ROWS)
    assert list(read_documents(tmp_path / "a.zst")) == ROWS


def test_equal_documents_make_equal_files_whatever_the_order_of_their_keys(tmp_path: Path) -> None:
    turned = [dict(reversed(row.items())) for row in ROWS]
    assert write(tmp_path / "a.zst", ROWS) == write(tmp_path / "b.zst", turned)


def test_a_file_without_documents_is_readable(tmp_path: Path) -> None:
    write(tmp_path / "a.zst", [])
    assert list(read_documents(tmp_path / "a.zst")) == []


def test_a_lone_surrogate_does_not_stop_the_writer(tmp_path: Path) -> None:
    write(tmp_path / "a.zst", [{"text": "bad \ud800 half"}])
    assert [row["text"] for row in read_documents(tmp_path / "a.zst")] == ["bad ? half"]


@pytest.mark.parametrize("line", [b"[1]", b"{}", b'{"text": 3}', b"{", b"\xff"])
def test_a_line_that_is_no_document_is_named_with_file_and_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a b.zst"
    path.write_bytes(zstandard.compress(b'{"text": "good"}\n' + line + b"\n"))
    with pytest.raises(DataError, match=r"a b\.zst:2: .*Make zstd-compressed JSONL"):
        list(read_documents(path))


def test_a_file_that_is_not_zstd_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zst").write_bytes(b'{"text": "plain"}\n')
    with pytest.raises(DataError, match=r"a\.zst"):
        list(read_documents(tmp_path / "a.zst"))


def test_a_cut_file_is_an_error_wherever_it_is_cut(tmp_path: Path) -> None:
    raw = write(tmp_path / "a.zst", [{"text": f"{number} " * 20} for number in range(300)])
    for end in range(0, len(raw), len(raw) // 40):
        (tmp_path / "a.zst").write_bytes(raw[:end])
        with pytest.raises(DataError, match=r"a\.zst"):
            list(read_documents(tmp_path / "a.zst"))


def test_frames_that_follow_each_other_are_one_file(tmp_path: Path) -> None:
    raw = write(tmp_path / "a.zst", ROWS)
    (tmp_path / "a.zst").write_bytes(raw + raw)
    assert list(read_documents(tmp_path / "a.zst")) == ROWS + ROWS
