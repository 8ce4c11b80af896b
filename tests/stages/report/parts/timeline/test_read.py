from pathlib import Path

import pytest

from stages.formats.attempts import END
from stages.formats.attempts import START as START_RECORD
from stages.report.part import Material
from stages.report.parts.timeline.read import TimedAttempt, read
from stages.shared.errors import DataError
from tests.stages.report.journey import START, write_attempt


def attempts_of(folder: Path) -> list[TimedAttempt]:
    return read(Material(section="", files=(), run_dir=folder, made=START))


def test_attempts_come_in_order_of_start_with_their_verdicts(tmp_path: Path) -> None:
    write_attempt(tmp_path, "b", 1, 5, {"ended": 9, "verdict": "failed", "reason": "why"})
    write_attempt(tmp_path, "a", 0, 7, {"ended": 8})
    first, second = attempts_of(tmp_path)
    assert (first.job, first.verdict, first.reason, first.ended) == ("b", "failed", "why", START + 9)
    assert (second.job, second.slurm_id, second.node, second.units) == ("a", "1001_0", "node0", ("unit 0",))


def test_without_an_end_an_attempt_runs_or_is_lost_to_a_successor(tmp_path: Path) -> None:
    write_attempt(tmp_path, "a", 0, 1, None)
    write_attempt(tmp_path, "a", 0, 2, None, restart=1)
    write_attempt(tmp_path, "a", 1, 3, None)
    write_attempt(tmp_path, "a", 0, 4, {"ended": 5}, key="k2", units=("unit 1", "unit 2"), restart=2)
    assert [attempt.verdict for attempt in attempts_of(tmp_path)] == ["lost", "running", "lost", "done"]


def test_an_attempt_whose_worker_never_began_is_shown_at_its_end(tmp_path: Path) -> None:
    name = write_attempt(tmp_path, "a", 0, 1, {"ended": 5, "verdict": "bad-node"})
    name.path(tmp_path / "ledger" / "attempts", START_RECORD).unlink()
    (attempt,) = attempts_of(tmp_path)
    assert (attempt.started, attempt.ended, attempt.verdict) == (START + 5, START + 5, "bad-node")


def test_a_run_without_a_ledger_has_no_attempts(tmp_path: Path) -> None:
    assert attempts_of(tmp_path / "nowhere") == []


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    name = write_attempt(tmp_path, "a", 0, 1, {"ended": 2})
    name.path(tmp_path / "ledger" / "attempts", END).write_text('{"ended": null}')
    with pytest.raises(DataError, match=r"k1\.0\.0\.end\.json: not a end record"):
        attempts_of(tmp_path)
