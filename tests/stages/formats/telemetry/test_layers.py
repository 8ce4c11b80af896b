"""The format of statistics by layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.telemetry.layers import FIELDS, parse_layers_line, read_layers, write_layers
from stages.shared.errors import DataError

ROW = {**dict.fromkeys(FIELDS, 1.5), "step": 3, "part": "layers.0"}


def test_rows_come_back(tmp_path: Path) -> None:
    write_layers(tmp_path / "layers.jsonl", [ROW, {**ROW, "part": "head", "more": 1}])
    assert read_layers(tmp_path / "layers.jsonl") == [ROW, {**ROW, "part": "head"}]


@pytest.mark.parametrize("line", ["", "{", "[1]", '{"step": 3}'])
def test_a_cut_or_foreign_line_is_no_row(line: str) -> None:
    assert parse_layers_line(line) is None


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "layers.jsonl").write_text('{"step": 4, "pa')
    with pytest.raises(DataError, match=r"layers\.jsonl:1: not a row of a layer"):
        read_layers(tmp_path / "layers.jsonl")
