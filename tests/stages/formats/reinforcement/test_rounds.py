"""Rounds on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.reinforcement.rounds import read_rounds, write_rounds
from stages.shared.errors import DataError

ROW = {"round": 0, "step": 0, "policy": "p", "beta": 0.1, "next_beta": 0.2, "numbers": {"kl": 1 / 3}, "finishes": {}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    rows = [{**ROW, "samples": [{"text": "a\u2028b\n\u4e2d"}]}, {**ROW, "round": 1, "samples": []}]
    write_rounds(tmp_path / "rounds.jsonl", rows)
    assert read_rounds(tmp_path / "rounds.jsonl") == rows


def test_a_line_that_is_no_round_is_named(tmp_path: Path) -> None:
    (tmp_path / "rounds.jsonl").write_text('{"round": 1}\n', "utf-8")
    with pytest.raises(DataError, match="not a round"):
        read_rounds(tmp_path / "rounds.jsonl")
