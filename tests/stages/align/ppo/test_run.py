"""Whole trainings: exact, in any layout, through any kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.formats.metrics import read_metrics
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import Run, losses, train


def rounds(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.out / "rounds.jsonl").read_text("utf-8").splitlines()]


def test_the_first_ratio_of_each_round_is_exactly_one(undisturbed: Run) -> None:
    rows = read_metrics(undisturbed.out / "metrics.jsonl")
    assert [row["ratio"] for row in rows[::2]] == [1.0, 1.0, 1.0]
    assert [row["approx_kl"] for row in rows[::2]] == [0.0, 0.0, 0.0]
    assert all(row["ratio"] != 1.0 for row in rows[1::2])
