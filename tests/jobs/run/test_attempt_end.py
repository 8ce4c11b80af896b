"""The verdict on an attempt that has ended: a table of the crash-loop logic, and the script's last act for real."""

from __future__ import annotations

import signal

import pytest

from jobs.run.attempt_end import judge
from jobs.run.srun import BEGIN
from jobs.submit.ledger import write_cancel
from jobs.submit.strikes import read_strikes
from stages.formats.attempts import ResultRecord, TroubleRecord, write_record
from tests.jobs import made
from tests.jobs.bench import Bench

KILLED, SAVED, BAD_NODE, NEVER, FAILED, DONE = 137, 85, 77, 93, 1, 0


@pytest.mark.parametrize(
    ("code", "reached", "resumes", "word"),
    [
        (DONE, [3], True, "done"),
        (DONE, [-1, -1, -1, -1], False, "done"),
        (NEVER, [9], True, "never"),
        (NEVER, [9], False, "never"),
        # An exception of its own: a step that resumes may get over it, one that does not would meet it again.
        (FAILED, [5], True, "requeue"),
        (FAILED, [5], False, "failed"),
        # Killed from outside, or asked to stop.
        (KILLED, [5], False, "requeue"),
        (KILLED, [-1], True, "requeue"),
        (SAVED, [5], True, "requeue"),
        (SAVED, [0], False, "requeue"),
        (BAD_NODE, [-1], False, "bad-node"),
        # With max_stalls 2 the third attempt in a row without progress is one too many.
        (SAVED, [-1, -1], True, "requeue"),
        (SAVED, [-1, -1, -1], True, "failed"),
        (KILLED, [5, 5, 5], True, "requeue"),
        (KILLED, [5, 5, 5, 5], True, "failed"),
        (BAD_NODE, [-1, -1, -1], False, "failed"),
        (KILLED, [0, 0, 0], False, "failed"),
        # Progress forgives: only the end of the list counts.
        (KILLED, [5, 5, 5, 6], True, "requeue"),
        (SAVED, [1, 2, 3, 4, 5, 6, 7], True, "requeue"),
        (KILLED, [9, 3, 4], True, "requeue"),
        (KILLED, [9, 3, 4, 5], True, "failed"),
    ],
)
def test_an_element_starts_again_as_long_as_it_gets_on(code: int, reached: list[int], resumes: bool, word: str) -> None:
    entry = made.submission("a.x", [(0,)])
    past = [made.attempt(entry, 0, number, progress) for number, progress in enumerate(reached[:-1])]
    assert judge(code, past, reached[-1], can_resume=resumes, max_stalls=2).word == word


@pytest.mark.parametrize(("stalls", "word"), [(0, "failed"), (1, "requeue")])
def test_the_cluster_file_says_how_many_stalls_are_too_many(stalls: int, word: str) -> None:
    assert judge(SAVED, [], -1, can_resume=True, max_stalls=stalls).word == word


def test_from_the_second_attempt_without_progress_on_it_waits_longer_each_time_and_not_after_progress() -> None:
    entry = made.submission("a.x", [(0,)])
    past = [made.attempt(entry, 0, number, progress) for number, progress in enumerate([5, 5, 5, 5])]
    waits = [
        judge(KILLED, past[:n], reached, can_resume=True, max_stalls=9, backoff_s=300).wait_s
        for n, reached in ((0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (3, 6))
    ]
    assert waits == [0, 0, 300, 600, 1200, 0]
    assert judge(BAD_NODE, past, 5, can_resume=True, max_stalls=9, backoff_s=300).wait_s == 0


def test_a_bad_node_gets_a_strike(bench: Bench) -> None:
    entry = bench.submit("make")
    bench.toy.mood("make.0", "node")
    code, _ = bench.work(entry)
    assert bench.attempt_end(entry, code).startswith("bad-node ")
    (strike,) = read_strikes(bench.paths)
    assert (strike.job, "this node has lost its voice" in strike.reason) == ("toy.make", True)


def test_the_reason_names_the_signal_the_count_and_the_progress() -> None:
    entry = made.submission("a.x", [(0,)])
    past = [made.attempt(entry, 0, number, 7) for number in range(3)]
    reason = judge(KILLED, past, 7, can_resume=True, max_stalls=2).reason
    assert reason == "crash loop: 3 attempts in a row without progress past 7, the last killed by signal 9 (exit 137)"


def test_a_crash_loop_stops_and_heal_gives_a_fresh_start(bench: Bench) -> None:
    bench.mark_done("make")
    bench.toy.mood("march.0", "stall")
    entry = bench.submit("march")
    words = []
    for restart in range(3):
        code, _ = bench.work(entry, restart=restart)
        words.append(bench.attempt_end(entry, code, restart=restart))
    assert words == ["requeue", "requeue", "failed"]
    end = bench.attempt(entry, restart=2).end
    assert end is not None and end.reason.startswith(
        "crash loop: 3 attempts in a row without progress past 0, the last state saved"
    )
    again = bench.submit("march")
    assert bench.attempt_end(again, 85) == "requeue", "another submission counts from the beginning"


def test_a_worker_killed_before_its_first_word_leaves_an_end(bench: Bench) -> None:
    entry = bench.submit("make", (0,), (1,))
    assert bench.attempt_end(entry, 137, element=1) == "requeue"
    attempt = bench.attempt(entry, element=1)
    assert attempt.start is None and attempt.end is not None
    assert (attempt.end.exit_code, attempt.end.progress) == (137, -1)


def test_the_first_failed_units_own_words_are_in_the_reason(bench: Bench) -> None:
    bench.toy.mood("make.0", "never")
    entry = bench.submit("make", (0, 1))
    code, _ = bench.work(entry)
    assert bench.attempt_end(entry, code) == "never"
    end = bench.attempt(entry).end
    assert end is not None
    assert end.reason == "the input or the recipe is wrong; running again cannot help; words.txt: no words. Write some"


def test_a_cancelled_element_is_not_started_again_however_it_ended(bench: Bench) -> None:
    bench.mark_done("make")
    entry = bench.submit("march")
    write_cancel(bench.paths, entry.key, 1.0)
    assert bench.attempt_end(entry, 85) == "cancelled"
    assert bench.attempt_end(entry, 128 + signal.SIGTERM) == "cancelled"
    write_record(bench.paths.attempts, bench.name(entry), ResultRecord(exit_code=0, failed={}))
    assert bench.attempt_end(entry, 0) == "done"


def test_srun_ends_well_where_a_node_was_given_up_and_that_is_no_worker_at_its_end(bench: Bench) -> None:
    entry = bench.submit("make", (0,), (1,))
    assert bench.attempt_end(entry, 0, element=1) == "requeue"
    end = bench.attempt(entry, element=1).end
    assert end is not None and (end.exit_code, end.reason) == (137, "killed by signal 9 (exit 137)")


def test_what_srun_says_of_a_killed_rank_comes_before_what_the_others_say(bench: Bench) -> None:
    entry = bench.submit("march")
    lost = TroubleRecord(exit_code=1, reason="rank 0: Connection closed by peer", node="n1")
    write_record(bench.paths.attempts, bench.name(entry), lost)
    made.write_tree(
        bench.paths.logs("toy.march"),
        {f"{entry.key}.0.log": f"{BEGIN} 1 on n1\nsrun: error: n2: task 1: Killed\n"},
    )
    assert bench.attempt_end(entry, 137, ranks=2) == "requeue"
    attempt = bench.attempt(entry)
    assert attempt.trouble is not None and attempt.end is not None
    assert attempt.trouble.reason in attempt.end.reason
    assert attempt.trouble.reason == "rank 1 was killed by signal 9 on n2 (srun: Killed)"
    (log,) = bench.paths.logs("toy.march").iterdir()
    log.write_text(f"{BEGIN} 1 on n1\nslurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***\n")
    write_record(bench.paths.attempts, bench.name(entry), lost)
    assert bench.attempt_end(entry, 143, ranks=2) == "requeue"
    attempt = bench.attempt(entry)
    assert attempt.trouble is not None and attempt.trouble.reason == "killed by signal 15 (exit 143)"
    write_record(bench.paths.attempts, bench.name(entry), TroubleRecord(exit_code=93, reason="no words", node="n1"))
    assert bench.attempt_end(entry, 137, ranks=2) == "never", "a wrong input is never the end of a peer"


def test_a_bad_node_is_named(bench: Bench) -> None:
    bench.toy.mood("make.0", "node")
    entry = bench.submit("make", (0,))
    code, _ = bench.work(entry)
    verdict = bench.attempt_end(entry, code)
    start = bench.attempt(entry).start
    assert start is not None and verdict == f"bad-node {start.nodes}"


def test_other_elements_and_later_restarts_do_not_count(bench: Bench) -> None:
    bench.mark_done("make")
    entry = bench.submit("march")
    for restart in (0, 1, 3):
        write_record(bench.paths.attempts, bench.name(entry, 1, restart), made.end_record("requeue"))
    for restart in (3, 4):
        write_record(bench.paths.attempts, bench.name(entry, 0, restart), made.end_record("requeue"))
    assert bench.attempt_end(entry, 85, restart=1) == "requeue"


@pytest.mark.parametrize("text", ["", "{", "\x00", "[]"])
def test_an_unreadable_record_of_one_element_leaves_the_others_their_requeues(bench: Bench, text: str) -> None:
    entry = bench.submit("make", (0,), (1,))
    for element in (0, 1):
        assert bench.attempt_end(entry, 137, element=element) == "requeue"
    for path in (bench.paths.attempts / "toy.make").glob("*.0.0.end.json"):
        path.write_text(text)
    assert bench.attempt_end(entry, 137, element=1, restart=1) == "requeue"
    assert bench.attempt_end(entry, 137, element=0, restart=1) == "requeue"
