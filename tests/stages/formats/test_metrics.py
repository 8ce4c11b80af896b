"""The metrics format."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.metrics import FIELDS, metrics_line, parse_metrics_line, read_metrics, write_metrics
from stages.shared.errors import DataError

ROW = dict.fromkeys(FIELDS, 1.5) | {"step": 3, "tokens": 768}


def test_rows_come_back_with_exactly_the_fields(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.jsonl", [ROW, ROW | {"step": 4, "more": 1}])
    assert read_metrics(tmp_path / "metrics.jsonl") == [ROW, ROW | {"step": 4}]


@pytest.mark.parametrize("line", ["", "{", "[1]", "3", '{"step": 3}', metrics_line(ROW)[:-5]])
def test_a_cut_or_foreign_line_is_no_row(line: str) -> None:
    assert parse_metrics_line(line) is None


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(metrics_line(ROW) + '{"step": 4, "lo')
    with pytest.raises(DataError, match=r"metrics\.jsonl, record 2: no metrics row"):
        read_metrics(tmp_path / "metrics.jsonl")
