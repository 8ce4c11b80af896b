"""The ledger: what is written is read back, in order, and half of it is as good as none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit.ledger import (
    process_identity,
    read_attempts,
    read_cancels,
    read_submissions,
    write_cancel,
    write_submission,
)
from stages.shared.files import write_json
from tests.jobs.made import submission


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path)


def test_submissions_are_read_back_oldest_first(run: RunPaths) -> None:
    made = [submission("b.x", [(0, 1), (2,)], 2, "7"), submission("a.x", [(0,)], 1), submission("a.x", [(0,)], 10)]
    for each in made:
        write_submission(run, each)
    assert read_submissions(run) == [made[1], made[0], made[2]]


def test_an_intent_is_completed_in_place(run: RunPaths) -> None:
    write_submission(run, submission("a.x", [(0,)]))
    write_submission(run, submission("a.x", [(0,)], slurm_id="41"))
    assert [entry.slurm_id for entry in read_submissions(run)] == ["41"]


def test_a_submission_knows_which_element_covers_a_shard() -> None:
    made = submission("a.x", [(4, 5), (9,)])
    assert [made.element_of(shard) for shard in (4, 5, 9, 0)] == [0, 0, 1, None]


def test_attempts_are_put_together_from_their_files(run: RunPaths) -> None:
    def write(part: str, restart: int, value: dict[str, object], job: str = "a.x") -> None:
        write_json(run.attempt(job, "0001-k", 0, restart, part), value)

    write("start", 1, {"started": 20.0, "node": "n2"})
    write("start", 0, {"started": 10.0, "node": "n1"})
    write("progress", 0, {"progress": 7})
    write("result", 0, {"failed": {"0": "why"}})
    write("end", 0, {"verdict": "requeue"})
    write("start", 0, {"started": 5.0}, job="b.x")
    first, second = read_attempts(run, ["a.x"])
    assert (first.restart, first.progress, first.result["failed"], first.end["verdict"]) == (
        0,
        7,
        {"0": "why"},
        "requeue",
    )
    assert (second.restart, second.progress, second.result, second.end) == (1, -1, {}, {})
    assert [entry.job for entry in read_attempts(run)] == ["b.x", "a.x", "a.x"]


def test_an_attempt_killed_before_its_start_record_counts_by_its_end(run: RunPaths) -> None:
    write_json(run.attempt("a.x", "0001-k", 3, 0, "end"), {"verdict": "requeue"})
    (attempt,) = read_attempts(run, ["a.x"])
    assert (attempt.element, attempt.start, attempt.end) == (3, {}, {"verdict": "requeue"})


def test_files_that_are_none_of_the_ledgers_are_passed_over(run: RunPaths) -> None:
    folder = run.attempts / "a.x"
    folder.mkdir(parents=True)
    for name in (".0001-k.0.0.start.json.77.tmp", "0001-k.0.0.trouble.json", "notes.json"):
        (folder / name).write_text("{half", encoding="utf-8")
    assert read_attempts(run) == []


def test_cancels_are_read_back(run: RunPaths) -> None:
    assert read_cancels(run) == frozenset()
    write_cancel(run, "0001-k", 1.0)
    assert read_cancels(run) == {"0001-k"}


def test_an_empty_run_has_an_empty_ledger(run: RunPaths) -> None:
    assert read_submissions(run) == []
    assert read_attempts(run) == []


def test_a_process_is_known_by_more_than_its_number() -> None:
    mine = process_identity(os.getpid())
    assert mine == process_identity(os.getpid()) != ""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        theirs = process_identity(other.pid)
        assert theirs not in ("", mine)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert process_identity(other.pid) == "", "one that has ended but is not yet collected is gone"
    assert process_identity(other.pid) != theirs
