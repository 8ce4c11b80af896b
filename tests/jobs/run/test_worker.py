"""The worker in real processes: run twice, killed, asked to stop, superseded, with incomplete inputs, in bad moods."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from jobs.run.worker import Interrupted, StopFlag
from jobs.submit.ledger import Submission
from stages.shared.files import read_json, write_json
from tests.jobs.bench import Bench, until
from tests.jobs.made import write_tree
from tests.jobs.toy_stage import Toy


def test_a_shard_is_done_when_its_folder_and_its_mark_are_there(bench: Bench) -> None:
    entry = bench.submit("make", (2,))
    code, said = bench.work(entry)
    assert (code, bench.text("make", 2)) == (0, "hello 2\n"), said
    mark = bench.mark("make", 2)
    assert (mark["fingerprint"], mark["summary"]) == (bench.job("make").fingerprint, {"words": 1})
    assert mark["made_by"]["code"] == bench.code.name
    assert mark["made_by"]["attempt"] == f"{entry.key}.0.0"
    assert bench.shards("make") == ["00002"], "nothing half-written is left"
    assert not bench.step("make").work(2).exists()
    assert bench.attempt(entry).result == {"exit_code": 0, "failed": {}, "signal": ""}
    assert not list(bench.toy.home.rglob("pwned"))


def test_a_shard_that_is_done_is_not_done_again(bench: Bench) -> None:
    entry = bench.submit("make", (0, 1))
    bench.work(entry)
    before = bench.step("make").mark(0).stat().st_mtime_ns
    assert bench.work(bench.submit("make", (0, 1)))[0] == 0
    assert bench.toy.calls() == {"make.0": 1, "make.1": 1}
    assert bench.step("make").mark(0).stat().st_mtime_ns == before


def test_a_folder_without_a_mark_is_done_again(bench: Bench) -> None:
    shards = bench.step("make").root / "shards"
    write_tree(shards, {"00000/words.txt": "half", "00000/more.txt": "old", ".00000.0000-old.0.0/words.txt": "half"})
    write_tree(shards, {".00001.0000-old.0.0/words.txt": "of another shard"})
    assert bench.work(bench.submit("make", (0,)))[0] == 0
    assert bench.text("make", 0) == "hello 0\n"
    assert bench.shards("make") == [".00001.0000-old.0.0", "00000"]


def test_a_shard_killed_midway_and_run_again_gives_the_same_bytes(bench: Bench) -> None:
    bench.toy.mood("make.0", "kill")
    assert bench.work(bench.submit("make", (0,)))[0] == -signal.SIGKILL
    assert bench.step("make").done_shards() == frozenset()
    bench.toy.mood("make.0", "")
    bench.work(bench.submit("make", (0,)))
    assert (bench.text("make", 0), bench.shards("make")) == ("hello 0\n", ["00000"])


@pytest.mark.parametrize(
    ("mood", "code", "reason"),
    [
        ("fail words fail me", 1, "RuntimeError: words fail me"),
        ("never", 93, "words.txt: no words. Write some"),
        ("leave", 1, "SystemExit: 0"),
    ],
)
def test_one_failing_shard_does_not_take_the_others_of_its_element(
    bench: Bench, mood: str, code: int, reason: str
) -> None:
    bench.toy.mood("make.1", mood)
    entry = bench.submit("make", (0, 1, 2))
    ended, said = bench.work(entry)
    assert ended == code
    assert bench.step("make").done_shards() == {0, 2}
    assert bench.attempt(entry).result["failed"] == {"1": reason}
    assert ("Traceback" in said) == (code == 1), "a user's mistake is one line, a bug has its traceback"


def test_a_bad_node_ends_the_element_at_once_with_77(bench: Bench) -> None:
    bench.toy.mood("make.0", "node")
    assert bench.work(bench.submit("make", (0, 1)))[0] == 77
    assert bench.toy.calls() == {"make.0": 1}, "the other shards are for a good node"


def test_incomplete_inputs_are_told_before_anything_is_read(bench: Bench) -> None:
    write_json(bench.step("make").mark(1), {})
    entry = bench.submit("march")
    code, said = bench.work(entry)
    assert (code, bench.toy.calls()) == (1, {})
    assert "inputs incomplete: toy.make lacks shard 0, 2" in said
    assert "Traceback" not in said
    bench.mark_done("make")
    assert bench.work(bench.submit("march"))[0] == 0


def test_a_shard_taken_over_by_a_successor_is_not_committed(bench: Bench) -> None:
    bench.toy.mood("make.0", "dawdle 1.5")
    entry = bench.submit("make", (0,))
    old = bench.start(entry)
    until(lambda: bench.toy.calls()["make.0"], "the old one is at work")
    bench.toy.mood("make.0", "")
    new = bench.submit("make", (0,))
    assert bench.work(new)[0] == 0
    before = bench.mark("make", 0)
    assert old.wait(timeout=30) == 93
    assert bench.mark("make", 0) == before
    assert before["made_by"]["attempt"] == f"{new.key}.0.0"
    assert f"attempt {new.key}.0.0 has taken over" in bench.attempt(entry).result["failed"]["0"]
    assert bench.text("make", 0) == "hello 0\n"


def test_a_checkpoint_is_not_committed_after_a_successor_has_come(toy: Toy) -> None:
    bench = Bench(toy, paces=200, pause_s=0.05)
    bench.mark_done("make")
    entry = bench.submit("march")
    old = bench.start(entry)
    state = bench.step("march").work(0) / "paces"
    until(state.exists, "paces are saved")
    write_json(bench.step("march").lease(0), {"owner": "0009-other.0.0"})
    assert old.wait(timeout=30) == 93
    reached = state.read_text()
    time.sleep(0.2)
    assert state.read_text() == reached
    assert bench.step("march").done_shards() == frozenset()


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_step_that_resumes_saves_and_ends_with_85_and_goes_on_from_there(toy: Toy, number: signal.Signals) -> None:
    bench = Bench(toy, paces=30, pause_s=0.1)
    bench.mark_done("make")
    entry = bench.submit("march")
    first = bench.start(entry)
    state = bench.step("march").work(0) / "paces"
    until(lambda: state.exists() and int(state.read_text()) >= 3, "three paces")
    first.send_signal(number)
    assert first.wait(timeout=30) == 85
    reached = int(state.read_text())
    attempt = bench.attempt(entry)
    assert (attempt.progress, attempt.result["signal"]) == (reached, number.name)
    began = time.monotonic()
    assert bench.work(entry, restart=1)[0] == 0
    assert time.monotonic() - began < 0.1 * (30 - reached) + 5
    assert bench.text("march") == "30 paces\n"
    assert bench.attempt(entry, restart=1).progress == 30


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_step_that_cannot_resume_gives_up_its_shard_at_once_and_keeps_those_done(
    bench: Bench, number: signal.Signals
) -> None:
    bench.toy.mood("make.1", "dawdle 60")
    entry = bench.submit("make", (0, 1, 2))
    process = bench.start(entry)
    until(lambda: bench.toy.calls()["make.1"], "shard 1 is at work")
    process.send_signal(number)
    assert process.wait(timeout=20) == 85
    assert (bench.step("make").done_shards(), bench.toy.calls()["make.2"]) == ({0}, 0)
    assert bench.attempt(entry).progress == 1
    bench.toy.mood("make.1", "")
    assert bench.work(entry, restart=1)[0] == 0
    assert bench.toy.calls() == {"make.0": 1, "make.1": 2, "make.2": 1}


def test_an_element_asked_to_stop_goes_on_later_though_one_of_its_shards_has_failed(bench: Bench) -> None:
    bench.toy.mood("make.0", "never")
    bench.toy.mood("make.1", "dawdle 60")
    entry = bench.submit("make", (0, 1, 2))
    process = bench.start(entry)
    until(lambda: bench.toy.calls()["make.1"], "shard 1 is at work")
    process.terminate()
    assert process.wait(timeout=20) == 85, "with 93 the others would never be tried"
    bench.toy.mood("make.1", "")
    assert bench.work(entry, restart=1)[0] == 93
    assert bench.step("make").done_shards() == {1, 2}


def test_a_second_term_some_seconds_later_means_now(toy: Toy) -> None:
    bench = Bench(toy)
    bench.mark_done("make")
    toy.mood("march.0", "dawdle 60")
    process = bench.start(bench.submit("march"))
    until(lambda: toy.calls()["march.0"], "the march has begun")
    process.terminate()
    time.sleep(0.5)
    process.terminate()
    assert process.poll() is None, "one right after the first is the same request by another way"
    time.sleep(3.0)
    process.terminate()
    assert process.wait(timeout=10) == 143


def test_progress_of_a_killed_element_is_how_many_shards_it_had_behind_it(bench: Bench) -> None:
    bench.toy.mood("make.2", "kill")
    entry = bench.submit("make", (0, 1, 2))
    assert bench.work(entry)[0] == -signal.SIGKILL
    assert bench.attempt(entry).progress == 2


def test_a_worker_whose_records_are_gone_ends_with_an_error(bench: Bench) -> None:
    entry = bench.submit("make", (0,))
    (bench.paths.submissions / entry.job / f"{entry.key}.json").unlink()
    code, said = bench.work(entry)
    assert code == 1
    assert entry.key in said


def walkers(toy: Toy, **settings: float) -> tuple[Bench, Submission, list[subprocess.Popen[str]]]:
    """Start a march of two ranks and wait until both walk."""
    bench = Bench(toy, walkers=2, **settings)  # type: ignore[arg-type]
    bench.mark_done("make")
    entry = bench.submit("march")
    return bench, entry, [bench.start(entry, rank=rank, ranks=2) for rank in range(2)]


def test_several_ranks_meet_and_one_of_them_keeps_the_records(toy: Toy) -> None:
    bench, entry, ranks = walkers(toy)
    assert [rank.wait(timeout=30) for rank in ranks] == [0, 0]
    assert toy.calls() == {"march.0": 1}
    assert bench.text("march") == "3 paces\n"
    assert bench.attempt(entry).start["pid"] == ranks[0].pid


def test_no_rank_leaves_with_85_before_the_first_has_written_its_records(toy: Toy) -> None:
    bench, entry, ranks = walkers(toy, paces=400, pause_s=0.05)
    until((bench.step("march").work(0) / "paces").exists, "they walk")
    toy.mood("march.0", "slow-save")
    for rank in reversed(ranks):
        rank.send_signal(signal.SIGUSR2)
    assert ranks[1].wait(timeout=30) == 85
    assert bench.attempt(entry).result["exit_code"] == 85, "srun would have killed rank 0 by now"
    assert ranks[0].wait(timeout=30) == 85


def test_the_first_rank_that_fails_says_why_for_all(toy: Toy) -> None:
    toy.mood("march.0", "rank 1")
    bench, entry, ranks = walkers(toy, paces=400, pause_s=0.05)
    assert ranks[1].wait(timeout=30) == 77
    os.kill(ranks[0].pid, signal.SIGKILL)
    ranks[0].wait(timeout=30)
    trouble = read_json(bench.paths.attempt("toy.march", entry.key, 0, 0, "trouble"))
    assert trouble["exit_code"] == 77
    assert trouble["reason"] == "rank 1: this node has lost its voice"
    verdict = bench.aftermath(entry, 137, ranks=2)
    assert verdict == f"bad-node {trouble['node']}", "not that rank 0 was killed for it"
    assert bench.attempt(entry).end["reason"].endswith("rank 1: this node has lost its voice")


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
