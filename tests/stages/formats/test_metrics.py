"""The metrics format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.formats.metrics import (
    FIELDS,
    Metrics,
    further_numbers,
    metrics_line,
    parse_metrics_line,
    read_metrics,
    write_metrics,
)
from stages.shared.errors import DataError

ROW = dict.fromkeys(FIELDS, 1.5) | {"step": 3, "tokens": 768}


def test_rows_come_back_with_everything_but_values_that_are_none(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.jsonl", [ROW, ROW | {"step": 4, "kl": 0.5, "heldout": None}])
    assert read_metrics(tmp_path / "metrics.jsonl") == [ROW, ROW | {"step": 4, "kl": 0.5}]


def test_a_line_starts_with_the_fields_in_order() -> None:
    assert list(json.loads(metrics_line({"kl": 1, **dict(reversed(ROW.items()))}))) == [*FIELDS, "kl"]


def test_further_numbers_are_listed_once_and_without_events() -> None:
    rows: list[Metrics] = [
        ROW | {"b": 1, "why": "text", "back_to": 3, "flag": True},
        ROW | {"a": float("nan"), "b": 2, "mfu": None},
    ]
    assert further_numbers(rows) == ["b", "a"]


@pytest.mark.parametrize("line", ["", "{", "[1]", "3", '{"step": 3}', metrics_line(ROW)[:-5]])
def test_a_cut_or_foreign_line_is_no_row(line: str) -> None:
    assert parse_metrics_line(line) is None


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(metrics_line(ROW) + '{"step": 4, "lo')
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: not a metrics row"):
        read_metrics(tmp_path / "metrics.jsonl")
