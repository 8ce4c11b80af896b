from pathlib import Path

import pytest

from stages.report.attempts import read_attempts
from stages.shared.errors import DataError
from tests.stages.report.journey import START, write_attempt


def test_attempts_come_in_order_of_start_with_their_verdicts(tmp_path: Path) -> None:
    write_attempt(tmp_path, "b", 1, 5, {"ended": 9, "verdict": "failed", "reason": "why"})
    write_attempt(tmp_path, "a", 0, 7, {"ended": 8})
    first, second = read_attempts(tmp_path)
    assert (first.job, first.verdict, first.reason, first.ended) == ("b", "failed", "why", START + 9)
    assert (second.job, second.slurm_id, second.node) == ("a", "1001_0", "node0")


def test_without_an_end_an_attempt_runs_or_is_lost_to_a_successor(tmp_path: Path) -> None:
    write_attempt(tmp_path, "a", 0, 1, None)
    write_attempt(tmp_path, "a", 0, 2, None, restart=1)
    write_attempt(tmp_path, "a", 1, 3, None)
    write_attempt(tmp_path, "a", 0, 4, {"ended": 5}, key="k2", shards=[1, 2], restart=2)
    assert [attempt.verdict for attempt in read_attempts(tmp_path)] == ["lost", "running", "lost", "done"]


def test_a_run_without_a_ledger_has_no_attempts(tmp_path: Path) -> None:
    assert read_attempts(tmp_path / "nowhere") == []


@pytest.mark.parametrize("text", ["", "[]", '{"job": "a"}', '{"ended": null}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    write_attempt(tmp_path, "a", 0, 1, {"ended": 2})
    (record,) = tmp_path.rglob("*.end.json" if "ended" in text else "*.start.json")
    record.write_text(text)
    with pytest.raises(DataError, match=r"k1\.0\.0\.start\.json: not a record of an attempt"):
        read_attempts(tmp_path)
