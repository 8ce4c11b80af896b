"""JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.jsonl import parse_lines, parse_row, read_rows
from stages.shared.errors import DataError


def test_a_row_may_have_more_than_its_fields(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "b": 2}\n{"b": 3, "a": NaN, "c": []}\n')
    first, second = read_rows(tmp_path / "rows.jsonl", ("a", "b"), "row")
    assert (first, second["b"], second["c"]) == ({"a": 1, "b": 2}, 3, [])


@pytest.mark.parametrize("line", ["", "{", "[1]", "3", '{"a": 1}', '{"a": "\udcff", "b": 2}'])
def test_a_line_that_lacks_a_field_is_no_row_and_is_named(line: str, tmp_path: Path) -> None:
    assert parse_row(line.encode(errors="surrogateescape"), ("a", "b")) is None
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "b": 2}\n' + line + "\n", errors="surrogateescape")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not a row of ours: .*Write JSON with a, b"):
        read_rows(tmp_path / "rows.jsonl", ("a", "b"), "row of ours")


@pytest.mark.parametrize("line", [b"", b"{", b'{"b": 1}', b"3", b'{"a": "\xff"}', b"[" * 100_000], ids=range(6))
def test_a_line_that_cannot_be_parsed_is_named_whatever_its_bytes(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b"\n")
    found = parse_lines(path, lambda value, number: (value["a"], number), "not a row", "Write {a}")
    assert next(found) == (1, 1)
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not a row .*\. Write \{a\}"):
        next(found)


def test_blank_lines_are_skipped_where_they_may_stand_and_still_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n\n \n2\n")
    found = parse_lines(path, lambda value, number: (value, number), "not a number", "", skips_blank=True)
    assert list(found) == [(1, 1), (2, 4)]
