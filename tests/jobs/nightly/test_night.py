"""A night: its work, its record, its bell, and never two at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from jobs.nightly import night
from jobs.nightly.bell import Bell
from jobs.nightly.night import EXIT_ALARM, line_of, next_time, one_night, read_record
from jobs.runs import Run
from stages.formats.alarms import AlarmReport, Drop, Night, State, read_alarm, write_alarm
from stages.shared.errors import ClusterError, DataError
from tests.jobs.test_record import saved
from tests.jobs.toy_stage import Toy

NOW = datetime(2026, 11, 26, 2, 0, 30).astimezone()


def report(state: State, *tasks: str) -> AlarmReport:
    drops = tuple(Drop(task=task, loss=0.034, stderr=0.01, p=0.001) for task in tasks)
    return AlarmReport(nights=(Night(checkpoint="step_9", state=state, drops=drops, reference=("a", "b", "c")),))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return saved(tmp_path)


@pytest.fixture
def spend(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, int]]:
    """Return a function that does a night with a report, and gives its exit code and how often the bell has rung."""
    rung = run.paths.root / "rung"
    bell = Bell(command=f"cat >>'{rung}'; echo >>'{rung}'")

    def do(found: AlarmReport | None, code: int = 0) -> tuple[int, int]:
        monkeypatch.setattr(night, "alarm_of", lambda _: found)
        done = one_night(run, lambda: code, bell, NOW + timedelta(days=1))
        return done, len(rung.read_text().splitlines()) if rung.exists() else 0

    return do


def test_the_bell_rings_once_an_alarm_and_again_for_another_task(
    run: Run, spend: Callable[..., tuple[int, int]]
) -> None:
    assert spend(report("calm")) == (0, 0)
    assert spend(report("watch", "piqa")) == (0, 0)
    assert spend(report("alarm", "piqa")) == (EXIT_ALARM, 1)
    assert spend(report("alarm", "piqa")) == (EXIT_ALARM, 1)
    assert spend(report("alarm", "piqa", "mmlu")) == (EXIT_ALARM, 2)
    assert spend(report("calm")) == (0, 2)
    assert spend(report("alarm", "piqa")) == (EXIT_ALARM, 3)
    record = read_record(run.paths)
    assert record is not None
    assert record.message == "alarm: step_9 lost on piqa -3.4 points"


def test_a_night_says_what_it_could_not_judge(run: Run, spend: Callable[..., tuple[int, int]]) -> None:
    nights = [(None, "none", "without an alarm"), (AlarmReport(nights=()), "early", "no checkpoint is trained yet")]
    for found, state, message in nights:
        assert spend(found) == (0, 0)
        record = read_record(run.paths)
        assert record is not None
        assert record.state == state
        assert message in record.message


def test_failed_units_and_errors_ring_and_are_on_record(run: Run, spend: Callable[..., tuple[int, int]]) -> None:
    assert spend(None, code=1) == (1, 1)
    record = read_record(run.paths)
    assert record is not None
    assert record.state == "failed"

    def breaks() -> int:
        raise ClusterError("Slurm does not answer")

    with pytest.raises(ClusterError):
        one_night(run, breaks, Bell(), NOW)
    record = read_record(run.paths)
    assert record is not None
    assert (record.state, record.message) == ("failed", "Slurm does not answer")
    assert record.ended


def test_a_bell_that_cannot_ring_rings_on_the_next_night(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "alarm_of", lambda _: report("alarm", "piqa"))
    assert one_night(run, lambda: 0, Bell(command="exit 3"), NOW) == EXIT_ALARM
    record = read_record(run.paths)
    assert record is not None
    assert (record.alarmed, record.bell) == ((), "the command ended with 3: without a word")
    heard = run.paths.root / "heard"
    assert one_night(run, lambda: 0, Bell(command=f"cat >'{heard}'"), NOW) == EXIT_ALARM
    assert "piqa" in heard.read_text()


def test_two_nights_are_never_at_work_at_once(run: Run) -> None:
    inner: list[int] = []

    def work() -> int:
        inner.append(one_night(run, lambda: pytest.fail("a second night"), Bell(), NOW))
        return 0

    assert one_night(run, work, Bell(), NOW) == 0
    assert inner == [0]


def test_status_says_how_the_nights_stand(run: Run, spend: Callable[..., tuple[int, int]]) -> None:
    spend(report("calm"))
    record = read_record(run.paths)
    assert record is not None
    assert line_of(record, NOW).startswith("nightly: calm: step_9. Next at ")
    assert "no night since" in line_of(record, NOW + timedelta(days=1, hours=3))
    night.record_path(run.paths).write_text('{"due": 3, "more": 1}')
    with pytest.raises(DataError, match="not the record of a night"):
        read_record(run.paths)


def test_the_next_night_is_today_or_tomorrow() -> None:
    assert next_time((2, 0), NOW) - NOW == timedelta(days=1, seconds=-30)
    assert next_time((2, 1), NOW) - NOW == timedelta(seconds=30)


def test_reports_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "alarm.json"
    written = AlarmReport(nights=report("alarm", "piqa").nights, flipped={"piqa": ("3", "17")})
    write_alarm(path, written)
    assert read_alarm(path) == written
    path.write_text('{"nights": [3], "flipped": {}}')
    with pytest.raises(DataError, match="not an alarm report"):
        read_alarm(path)


def test_a_night_from_the_command_line_does_what_is_missing_and_the_next_one_nothing(
    tmp_path: Path, code_root: Path
) -> None:
    toy = Toy(code_root, tmp_path / "a home")
    first = toy.launch("nightly", "--once")
    assert first.returncode == 0, first.stderr
    assert "done, without an alarm in the recipe" in first.stdout
    calls = toy.calls()
    second = toy.launch("nightly", "--once")
    assert "Nothing to do" in second.stdout
    assert toy.calls() == calls
    status = toy.launch("status")
    assert "nightly: done, without an alarm in the recipe. Next at " in status.stdout
    assert toy.status()["nightly"]["state"] == "none"
    assert json.loads((toy.run.root / "nightly.json").read_text())["ended"]
    refused = toy.launch("nightly", "--at", "25:00")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
