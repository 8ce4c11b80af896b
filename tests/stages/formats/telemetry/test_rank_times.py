"""The format of times by rank."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.formats.telemetry.rank_times import RankTime, RankTimes, read_ranks, write_ranks
from stages.shared.errors import DataError


def test_times_come_back(tmp_path: Path) -> None:
    ranks = tuple(RankTime(rank=rank, node="n1", seconds=0.25, memory_mb=812.5, slow=rank) for rank in (0, 1))
    times = RankTimes(step=40, readings=2, ranks=ranks)
    write_ranks(tmp_path / "ranks.json", times)
    assert read_ranks(tmp_path / "ranks.json") == times


@pytest.mark.parametrize("text", ["", "[]", '{"ranks": [{"rank": 1}]}', '{"step": 1, "readings": 1}'])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "ranks.json").write_text(text)
    with pytest.raises(DataError, match=r"ranks\.json: not times by rank"):
        read_ranks(tmp_path / "ranks.json")
