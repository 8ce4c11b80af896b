"""Scores of quality: sums over files, and damaged files."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.corpus.quality import STEPS, Measured, Quality, SourceScores, read_quality, write_quality
from stages.shared.errors import DataError


def scores(**places: int) -> SourceScores:
    found = [0] * STEPS
    for place, count in places.items():
        found[int(place[1:])] = count
    return SourceScores(documents=found, bytes=[10 * count for count in found])


def test_counts_of_files_are_added_by_source_and_kind(tmp_path: Path) -> None:
    measured = Measured(trained=(5, 6), heldout=(1, 2), auc=0.75, good=[0, 1], bad=[2, 0])
    whole = Quality(threshold=0.5, bands=[0.2], measured=measured)
    whole.add(Quality(sources={"web": scores(s3=2)}, masked={"emails": 1}))
    whole.add(Quality(sources={"web": scores(s3=1, s99=4), "books": scores(s0=1)}, masked={"emails": 2, "ips": 1}))
    assert whole.sources["web"] == scores(s3=3, s99=4)
    assert whole.masked == {"emails": 3, "ips": 1}
    write_quality(tmp_path / "q", whole)
    assert read_quality(tmp_path / "q") == whole


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "q").write_text('{"sources": 3, "measured": null}')
    with pytest.raises(DataError, match="q: no scores of quality"):
        read_quality(tmp_path / "q")
