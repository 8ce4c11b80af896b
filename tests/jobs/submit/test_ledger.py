"""The ledger: what is written is read back, in order, and half of it is as good as none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit.ledger import (
    Ledger,
    Submission,
    drop_submission,
    last_number,
    process_identity,
    read_cancels,
    write_assignment,
    write_cancel,
    write_submission,
)
from stages.formats.attempts import AttemptName, write_record
from stages.shared.files import read_json
from tests.jobs import made
from tests.jobs.made import submission


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path)


def submissions(run: RunPaths) -> list[Submission]:
    return Ledger(run).submissions()


def test_submissions_are_read_back_oldest_first(run: RunPaths) -> None:
    entries = [submission("b.x", [(0, 1), (2,)], 2, "7"), submission("a.x", [(0,)], 1), submission("a.x", [(0,)], 10)]
    for each in entries:
        write_submission(run, each)
    assert submissions(run) == [entries[1], entries[0], entries[2]]
    assert last_number(submissions(run)) == 10


def test_an_intent_is_completed_in_place(run: RunPaths) -> None:
    ledger = Ledger(run)
    write_submission(run, submission("a.x", [(0,)]))
    assert [entry.slurm_id for entry in ledger.submissions()] == [""]
    write_submission(run, submission("a.x", [(0,)], slurm_id="41"))
    assert [entry.slurm_id for entry in ledger.submissions()] == ["41"], "an intent is read again"


def test_a_complete_submission_is_read_once(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    write_submission(run, submission("a.x", [(0,)], slurm_id="41"))
    ledger = Ledger(run)
    first = ledger.submissions()
    monkeypatch.setattr("jobs.submit.ledger.read_json", lambda path: pytest.fail(f"{path} is read again"))
    assert ledger.submissions() == first


def test_a_dropped_intent_is_gone(run: RunPaths) -> None:
    entry = submission("a.x", [(0,)])
    write_submission(run, entry)
    drop_submission(run, entry)
    assert submissions(run) == []


def test_a_submission_knows_which_element_covers_a_unit() -> None:
    entry = submission("a.x", [(4, 5), (9,)])
    assert [entry.element_of(made.unit("a.x", key)) for key in (4, 5, 9, 0)] == [0, 0, 1, None]


def test_an_assignment_lies_beside_its_submission(run: RunPaths) -> None:
    entry = submission("a.x", [(0,)])
    write_assignment(run, entry, {"job": "a.x", "name": "ä"})
    assert read_json(run.assignment("a.x", entry.key)) == {"job": "a.x", "name": "ä"}
    assert submissions(run) == [], "an assignment alone is no submission"


def test_attempts_are_those_of_the_wanted_elements(run: RunPaths) -> None:
    for key, element in (("0001-k", 0), ("0001-k", 1), ("0002-k", 0)):
        write_record(run.attempts, AttemptName("a.x", key, element, 0), made.end_record("done"))
    found = Ledger(run).attempts(["a.x", "b.x"], lambda key, element: (key, element) == ("0001-k", 1))
    assert [(each.name.key, each.name.element) for each in found] == [("0001-k", 1)]
    assert len(Ledger(run).attempts(["a.x"])) == 3


def test_cancels_are_read_back(run: RunPaths) -> None:
    assert read_cancels(run) == frozenset()
    write_cancel(run, "0001-k", 1.0)
    assert read_cancels(run) == {"0001-k"}


def test_an_empty_run_has_an_empty_ledger(run: RunPaths) -> None:
    assert submissions(run) == []
    assert Ledger(run).attempts(["a.x"]) == []


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
