import gzip
import json
from pathlib import Path

import pytest

from stages.formats.chat.rejects import Reject
from stages.formats.published.files import first_record, read_records
from stages.shared.errors import DataError

ROWS = [{"a": "一\u2028二"}, {"a": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("array.json", json.dumps(ROWS, indent=1).encode()),
        ("lines.json", LINES.encode()),
        ("lines.jsonl", b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n\r\n").encode()),
        ("array.jsonl", b"\xef\xbb\xbf \n" + json.dumps(ROWS).encode()),
        ("lines.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("array.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
    ],
)
def test_arrays_and_lines_are_told_by_their_content(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert [record for _, record in read_records(path)] == ROWS
    assert first_record(path) == ROWS[0]


def test_a_line_that_is_no_json_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": \n\xff\n' + b"[" * 100_000 + b'\n{"a": 5}\n')
    records = list(read_records(path))
    assert [number for number, _ in records] == [1, 2, 3, 4, 5]
    assert [isinstance(record, Reject) for _, record in records] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("cut.json", b'[{"a": 1}, {"a"', "not JSON"),
        ("cut.jsonl.gz", gzip.compress(b"{}\n" * 999, mtime=0)[:-9], "whole gzip"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem):
        list(read_records(path))


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"a": "' + b"x" * (2 << 20)])
def test_a_head_that_says_nothing_has_no_first_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    assert first_record(path) is None
