"""The ledger: what is written is read back, in order, and half of it is as good as none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.paths import RunPaths
from jobs.submit.ledger import (
    Assignment,
    Ledger,
    Submission,
    drop_submission,
    last_number,
    process_identity,
    read_assignment,
    read_cancels,
    read_part,
    write_assignment,
    write_cancel,
    write_submission,
)
from stages.formats.attempts import AttemptName, write_record
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
    elements = [[{"key": "0"}, {"key": "ä"}], [{"key": "\n"}]]
    write_assignment(run, entry, Assignment(job={"job": "a.x", "name": "ä"}, common={"needs": []}, elements=elements))
    assert read_assignment(run, "a.x", entry.key) == {"job": "a.x", "name": "ä"}
    assert [read_part(run, "a.x", entry.key, part) for part in range(3)] == [{"needs": []}, *elements]
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


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff", '{"key": 1}', "[" * 9999])
def test_an_unreadable_submission_costs_that_submission_and_is_named(tmp_path: Path, text: str) -> None:
    run = RunPaths(tmp_path)
    good, bad = (made.submission("a.x", [(number,)], number) for number in (1, 2))
    for entry in (good, bad):
        write_submission(run, entry)
    path = run.submissions / "a.x" / f"{bad.key}.json"
    path.write_text(text, encoding="utf-8")
    ledger = Ledger(run)
    assert ledger.submissions() == ledger.submissions() == [good]
    (said,) = ledger.unreadable
    assert said.startswith(f"{path}: not the record of a submission")


def test_a_copy_of_another_submission_is_no_submission(tmp_path: Path) -> None:
    run, entry = RunPaths(tmp_path), made.submission("a.x", [(0,)])
    write_submission(run, entry)
    path = run.submissions / "a.x" / f"{entry.key}.json"
    path.with_name("0009-copy.json").write_bytes(path.read_bytes())
    assert Ledger(run).submissions() == [entry]


def test_an_unreadable_attempt_costs_that_record_and_is_named(tmp_path: Path) -> None:
    run, entry = RunPaths(tmp_path), made.submission("a.x", [(0,), (1,)])
    made.write_end(run, entry, "failed", "why")
    made.write_end(run, entry, "failed", "why", element=1)
    (path,) = (run.attempts / "a.x").glob("*.1.0.end.json")
    path.write_text("{", encoding="utf-8")
    ledger = Ledger(run)
    found = {each.name.element: each.end for each in ledger.attempts(["a.x"])}
    assert found[1] is None
    assert found[0] is not None
    assert [said.startswith(f"{path}: ") for said in ledger.unreadable] == [True]
