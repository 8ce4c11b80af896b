"""JSON lines with certain fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.jsonl import parse_row, read_rows
from stages.shared.errors import DataError


def test_a_row_may_have_more_than_its_fields(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "b": 2}\n{"b": 3, "a": NaN, "c": []}\n')
    first, second = read_rows(tmp_path / "rows.jsonl", ("a", "b"), "row")
    assert (first, second["b"], second["c"]) == ({"a": 1, "b": 2}, 3, [])


@pytest.mark.parametrize("line", ["", "{", "[1]", "3", '{"a": 1}'])
def test_a_line_that_lacks_a_field_is_no_row_and_is_named(line: str, tmp_path: Path) -> None:
    assert parse_row(line, ("a", "b")) is None
    (tmp_path / "rows.jsonl").write_text('{"a": 1, "b": 2}\n' + line + "\n")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not a row of ours: .*Write JSON with a, b"):
        read_rows(tmp_path / "rows.jsonl", ("a", "b"), "row of ours")
