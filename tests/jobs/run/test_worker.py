"""The worker in real processes: run twice, killed, asked to stop, superseded, with incomplete inputs, in bad moods."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from jobs.run.element import Element
from jobs.run.worker import SECOND_TERM_S, Interrupted, StopFlag, Worker
from jobs.submit.ledger import Submission, write_cancel
from stages.formats.attempts import ResultRecord, read_attempts
from stages.shared.files import write_json
from tests.jobs.bench import PATIENCE_S, Bench, until
from tests.jobs.made import write_done, write_tree
from tests.jobs.toy_stage import Toy


def test_a_unit_is_done_when_its_folder_and_its_mark_are_there(bench: Bench) -> None:
    entry = bench.submit("make", (2,))
    code, said = bench.work(entry)
    assert (code, bench.text("make", 2)) == (0, "hello 2\n"), said
    mark = bench.mark("make", 2)
    assert (mark["fingerprint"], mark["summary"]) == (bench.job("make").fingerprint, {"words": 1})
    assert mark["made_by"]["code"] == bench.code.name
    assert mark["made_by"]["attempt"] == f"{entry.key}.0.0"
    assert (mark["unit"], mark["identity"]) == ("2", bench.job("make").units[bench.unit("make", 2)].identity)
    assert bench.folders("make") == [bench.unit("make", 2)], "nothing half-written is left"
    assert not bench.step("make").work(bench.unit("make", 2)).exists()
    assert bench.attempt(entry).result == ResultRecord(exit_code=0, failed={})
    assert not list(bench.paths.attempts.rglob(".*")), "nor in the ledger"
    assert not list(bench.toy.home.rglob("pwned"))


def test_a_unit_that_is_done_is_not_done_again(bench: Bench) -> None:
    entry = bench.submit("make", (0, 1))
    bench.work(entry)
    before = bench.step("make").mark(bench.unit("make")).stat().st_mtime_ns
    assert bench.work(bench.submit("make", (0, 1)))[0] == 0
    assert bench.toy.calls() == {"make.0": 1, "make.1": 1}
    assert bench.step("make").mark(bench.unit("make")).stat().st_mtime_ns == before


def test_a_folder_without_a_mark_is_done_again(bench: Bench) -> None:
    root = bench.step("make").root
    mine, other = bench.unit("make", 0), bench.unit("make", 1)
    write_tree(root / "units", {f"{mine}/words.txt": "half", f"{mine}/more.txt": "old"})
    write_tree(root / "aside", {f"{mine}/0000-old.0.0/words.txt": "half", f"{other}/0000-old.0.0/words.txt": "another"})
    assert bench.work(bench.submit("make", (0,)))[0] == 0
    assert bench.text("make", 0) == "hello 0\n"
    assert bench.folders("make") == [mine]
    assert [path.name for path in (root / "aside").iterdir()] == [other], "another unit's attempts may be at work"


def test_a_unit_killed_midway_and_run_again_gives_the_same_bytes(bench: Bench) -> None:
    bench.toy.mood("make.0", "kill")
    assert bench.work(bench.submit("make", (0,)))[0] == -signal.SIGKILL
    assert bench.done("make") == set()
    bench.toy.mood("make.0", "")
    bench.work(bench.submit("make", (0,)))
    assert (bench.text("make", 0), bench.folders("make")) == ("hello 0\n", [bench.unit("make")])


@pytest.mark.parametrize(
    ("mood", "code", "reason"),
    [
        ("fail words fail me", 1, "RuntimeError: words fail me"),
        ("never", 93, "words.txt: no words. Write some"),
        ("leave", 1, "SystemExit: 0"),
    ],
)
def test_one_failing_unit_does_not_take_the_others_of_its_element(
    bench: Bench, mood: str, code: int, reason: str
) -> None:
    bench.toy.mood("make.1", mood)
    entry = bench.submit("make", (0, 1, 2))
    ended, said = bench.work(entry)
    assert ended == code
    assert bench.done("make") == {0, 2}
    result = bench.attempt(entry).result
    assert result is not None and result.failed == {"1": reason}
    assert ("Traceback" in said) == (code == 1), "a user's mistake is one line, a bug has its traceback"


def test_a_bad_node_ends_the_element_at_once_with_77(bench: Bench) -> None:
    bench.toy.mood("make.0", "node")
    assert bench.work(bench.submit("make", (0, 1)))[0] == 77
    assert bench.toy.calls() == {"make.0": 1}, "the other units are for a good node"


def test_incomplete_inputs_are_reported_before_anything_is_read(bench: Bench) -> None:
    write_done(bench.step("make"), bench.unit("make", 1))
    entry = bench.submit("march")
    code, said = bench.work(entry)
    assert (code, bench.toy.calls()) == (1, {})
    lacking = sorted([bench.unit("make", 0), bench.unit("make", 2)])
    assert f"inputs incomplete: toy.make lacks {', '.join(lacking)}" in said
    assert "Traceback" not in said
    bench.mark_done("make")
    assert bench.work(bench.submit("march"))[0] == 0


def file_system_calls(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, places: Sequence[int]) -> int:
    """Return how often the check of an element's inputs asks the file system."""
    worker = Worker(bench.paths, f"toy.{name}", Element(bench.submit(name, tuple(places)).key, 0, 0, 0, 0, 1))
    asked: Counter[str] = Counter()
    for owner, called in ((os, "stat"), (os, "scandir"), (os, "listdir"), (io, "open")):
        original = getattr(owner, called)

        def note(*args: Any, original: Any = original, called: str = called, **kwargs: Any) -> Any:
            asked[called] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, called, note)
    for unit in worker.units:
        worker._check_inputs(unit)
    monkeypatch.undo()
    return asked.total()


def test_the_check_of_inputs_costs_no_more_for_more_units(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []
    for count in (3, 300):
        bench = Bench(replace(toy, home=toy.home / str(count)), units=count)
        bench.mark_done("make")
        bench.mark_done("march")
        costs.append(file_system_calls(bench, monkeypatch, "gather", [0]))
    assert costs[0] == costs[1] < 20, "a listing of each step that is read whole, and its list of units"


def test_what_all_units_of_an_element_need_is_looked_at_once(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(toy, units=50)
    one = file_system_calls(bench, monkeypatch, "make", [0])
    assert file_system_calls(bench, monkeypatch, "make", range(50)) == one


def test_a_unit_taken_over_by_a_successor_is_not_committed(bench: Bench) -> None:
    bench.toy.mood("make.0", "wait")
    entry = bench.submit("make", (0,))
    old = bench.start(entry)
    until(lambda: bench.toy.calls()["make.0"], "the old one is at work")
    old.send_signal(signal.SIGSTOP)  # as on a node that freezes and wakes up
    bench.toy.mood("make.0", "")
    new = bench.submit("make", (0,))
    assert bench.work(new)[0] == 0
    before = bench.mark("make", 0)
    old.send_signal(signal.SIGCONT)
    assert old.wait(timeout=PATIENCE_S) == 93
    assert bench.mark("make", 0) == before
    assert before["made_by"]["attempt"] == f"{new.key}.0.0"
    result = bench.attempt(entry).result
    assert result is not None and f"attempt {new.key}.0.0 has taken over" in result.failed["0"]
    assert bench.text("make", 0) == "hello 0\n"


def test_a_checkpoint_is_not_committed_after_a_successor_has_come(toy: Toy) -> None:
    bench = Bench(toy, paces=6)
    bench.mark_done("make")
    toy.mood("march.0", "rest 3")
    entry = bench.submit("march")
    old = bench.start(entry)
    until(lambda: bench.paces() == 3, "paces are saved")
    write_json(bench.step("march").lease(bench.unit("march")), {"owner": "0009-other.0.0"})
    toy.mood("march.0", "")
    assert old.wait(timeout=PATIENCE_S) == 93
    assert bench.paces() == 3
    assert bench.done("march") == set()


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_step_that_resumes_saves_and_ends_with_85_and_goes_on_from_there(toy: Toy, number: signal.Signals) -> None:
    bench = Bench(toy, paces=30)
    bench.mark_done("make")
    toy.mood("march.0", "rest 3")
    entry = bench.submit("march")
    first = bench.start(entry)
    until(lambda: bench.paces() == 3, "three paces")
    first.send_signal(number)
    assert first.wait(timeout=PATIENCE_S) == 85
    attempt = bench.attempt(entry)
    assert attempt.result is not None
    assert (attempt.progress, attempt.result.signal) == (3, number.name)
    assert bench.work(entry, restart=1)[0] == 0
    assert bench.text("march") == "30 paces\n"
    assert bench.mark("march")["summary"] == {"paces": 30, "walked": 27}
    assert bench.attempt(entry, restart=1).progress == 30


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_step_that_cannot_resume_gives_up_its_unit_at_once_and_keeps_those_done(
    bench: Bench, number: signal.Signals
) -> None:
    bench.toy.mood("make.1", "wait")
    entry = bench.submit("make", (0, 1, 2))
    process = bench.start(entry)
    until(lambda: bench.toy.calls()["make.1"], "unit 1 is at work")
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE_S) == 85
    assert (bench.done("make"), bench.toy.calls()["make.2"]) == ({0}, 0)
    assert bench.attempt(entry).progress == 1
    bench.toy.mood("make.1", "")
    assert bench.work(entry, restart=1)[0] == 0
    assert bench.toy.calls() == {"make.0": 1, "make.1": 2, "make.2": 1}


def test_an_element_asked_to_stop_goes_on_later_though_one_of_its_units_has_failed(bench: Bench) -> None:
    bench.toy.mood("make.0", "never")
    bench.toy.mood("make.1", "wait")
    entry = bench.submit("make", (0, 1, 2))
    process = bench.start(entry)
    until(lambda: bench.toy.calls()["make.1"], "unit 1 is at work")
    process.terminate()
    assert process.wait(timeout=PATIENCE_S) == 85, "with 93 the others would never be tried"
    bench.toy.mood("make.1", "")
    assert bench.work(entry, restart=1)[0] == 93
    assert bench.done("make") == {1, 2}


def test_a_second_term_some_seconds_later_means_now(toy: Toy) -> None:
    bench = Bench(toy)
    bench.mark_done("make")
    toy.mood("march.0", "wait")
    process = bench.start(bench.submit("march"))
    until(lambda: toy.calls()["march.0"], "the march has begun")

    began = time.monotonic()
    until(lambda: process.terminate() or process.poll() is not None, "one of many ends it")
    assert process.returncode == 143
    assert time.monotonic() - began > SECOND_TERM_S, "those right after the first are the same request by other ways"


def test_progress_of_a_killed_element_is_the_number_of_units_behind_it(bench: Bench) -> None:
    bench.toy.mood("make.2", "kill")
    entry = bench.submit("make", (0, 1, 2))
    assert bench.work(entry)[0] == -signal.SIGKILL
    assert bench.attempt(entry).progress == 2


@pytest.mark.parametrize("record", ["progress", "lease"])
def test_a_record_that_finds_no_room_is_a_sentence_with_its_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    entry = bench.submit("make", (0,))
    monkeypatch.setenv("STAGECOACH_LANES", "1")
    worker = Worker(bench.paths, entry.job, Element(entry.key, 0, 0, 0, 0, 1))
    monkeypatch.setattr(worker.stop, "install", lambda: None)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", f"/there/{record}.json")

    if record == "progress":
        monkeypatch.setattr(worker, "_write_progress", full)
        monkeypatch.setattr(worker, "_run_units", full)
        with pytest.raises(OSError, match="progress"):  # the last word finds no room either
            worker.main()
        return
    monkeypatch.setattr("jobs.run.worker.write_json", full)
    assert worker.main() == 1
    assert bench.attempt(entry).result == ResultRecord(
        exit_code=1,
        failed={"0": "/there/lease.json: the disk is full. Free some space, or use another folder"},
    )
    assert not list(bench.paths.attempts.rglob(".*")), "the room that was kept is given back"


def test_an_attempt_that_never_had_the_lease_has_no_successor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = bench.submit("make", (0,))
    folder = bench.unit("make")
    write_json(bench.step("make").lease(folder), {"owner": f"{entry.key}.0.0", "node": "n1"})  # of its predecessor
    worker = Worker(bench.paths, entry.job, Element(entry.key, 0, 1, 0, 0, 1))
    monkeypatch.setattr(worker.stop, "install", lambda: None)
    (bench.step("make").root / "aside").touch()  # nothing can be written aside
    assert worker.main() == 1
    result = bench.attempt(entry, restart=1).result
    assert result is not None and "a part of this path is a file" in result.failed["0"]


def walkers(toy: Toy, **settings: float) -> tuple[Bench, Submission, list[subprocess.Popen[str]]]:
    """Start a march of two ranks and wait until both walk."""
    bench = Bench(toy, walkers=2, **settings)
    bench.mark_done("make")
    entry = bench.submit("march")
    return bench, entry, [bench.start(entry, rank=rank, ranks=2) for rank in range(2)]


def test_several_ranks_meet_and_one_of_them_keeps_the_records(toy: Toy) -> None:
    bench, entry, ranks = walkers(toy)
    assert [rank.wait(timeout=PATIENCE_S) for rank in ranks] == [0, 0]
    assert toy.calls() == {"march.0": 1}
    assert bench.text("march") == "3 paces\n"
    start = bench.attempt(entry).start
    assert start is not None and start.pid == ranks[0].pid


def test_no_rank_leaves_with_85_before_the_first_has_written_its_records(toy: Toy) -> None:
    bench, entry, ranks = walkers(toy, paces=100_000, pause_s=0.05)
    until(bench.paces, "they walk")
    toy.mood("march.0", "slow-save")
    for rank in reversed(ranks):
        rank.send_signal(signal.SIGUSR2)
    assert ranks[1].wait(timeout=PATIENCE_S) == 85
    result = bench.attempt(entry).result
    assert result is not None and result.exit_code == 85, "srun would have killed rank 0 by now"
    assert ranks[0].wait(timeout=PATIENCE_S) == 85


def test_the_first_rank_that_fails_says_why_for_all(toy: Toy) -> None:
    toy.mood("march.0", "rank 1")
    bench, entry, ranks = walkers(toy, paces=100_000, pause_s=0.05)
    assert ranks[1].wait(timeout=PATIENCE_S) == 77
    os.kill(ranks[0].pid, signal.SIGKILL)
    ranks[0].wait(timeout=PATIENCE_S)
    trouble = bench.attempt(entry).trouble
    assert trouble is not None
    assert (trouble.exit_code, trouble.reason) == (77, "rank 1: this node has lost its voice")
    verdict = bench.attempt_end(entry, 137, ranks=2)
    assert verdict == f"bad-node {trouble.node}", "not that rank 0 was killed for it"
    end = bench.attempt(entry).end
    assert end is not None and end.reason.endswith("rank 1: this node has lost its voice")


def test_a_stop_asked_for_outside_a_step_interrupts_no_record() -> None:
    flag = StopFlag(resumes=False)
    flag._ask(signal.SIGTERM, None)
    assert flag.is_set
    with pytest.raises(Interrupted), flag.over_a_step():
        raise AssertionError("the step must not begin")
    flag._ask(signal.SIGTERM, None)


def test_a_stop_reaches_a_step_that_resumes_as_a_flag_alone() -> None:
    flag = StopFlag(resumes=True)
    with flag.over_a_step():
        flag._ask(signal.SIGUSR2, None)
        flag._ask(signal.SIGTERM, None)
    assert (flag.is_set, flag.signal) == (True, "SIGUSR2")


def test_a_mark_lists_the_files_of_the_unit(bench: Bench) -> None:
    bench.work(bench.submit("make", (0,)))
    digest = hashlib.sha256(b"hello 0\n").hexdigest()
    assert bench.mark("make")["files"] == {"words.txt": {"bytes": 8, "sha256": digest}}


def test_an_element_of_a_cancelled_submission_does_nothing(bench: Bench) -> None:
    entry = bench.submit("make", (0,))
    write_cancel(bench.paths, entry.key, 1.0)
    code, said = bench.work(entry)
    assert (code, bench.toy.calls()) == (93, {})
    assert "was cancelled before this element started" in said
    assert bench.attempt_end(entry, code) == "cancelled"


def test_an_array_that_comes_twice_does_the_work_once(bench: Bench) -> None:
    entry = bench.submit("make", (0,), (1,))
    bench.array = "40"
    assert bench.work(entry)[0] == 0
    bench.array = "41"
    code, said = bench.work(entry, element=1)
    assert (code, bench.toy.calls()["make.1"]) == (93, 0)
    assert "array 40 works on submission" in said
    assert bench.attempt_end(entry, code, element=1) == "cancelled"
    assert len(read_attempts(bench.paths.attempts)) == 1, "the records are the other array's"
    bench.array = "40"
    assert bench.work(entry, element=1)[0] == 0


def test_an_array_that_the_ledger_does_not_hold_ends_with_a_sentence(bench: Bench) -> None:
    entry = bench.submit("make", (0,))
    bench.paths.assignment(entry.job, entry.key).unlink()
    code, said = bench.work(entry)
    assert code == 93
    assert f"{entry.key}.json: the ledger holds no such array" in said
    assert "Traceback" not in said


def test_a_file_that_changed_since_it_was_planned_is_not_read_under_its_old_identity(toy: Toy) -> None:
    toy.settings = {"words": f"{toy.home}/*.words", "units": 1}
    write_tree(toy.home, {"a.words": "a"})
    toy.cluster["setup"] = [f"echo b > {toy.home}/a.words"]  # between the plan and the work
    done = toy.launch("run")
    assert done.returncode == 1
    assert f"{toy.home}/a.words: changed since this run was planned" in done.stdout
    assert toy.calls()["make.0"] == 0
