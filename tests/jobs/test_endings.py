"""Why an element ended, from the end of its log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobs.endings import TAIL_BYTES, cause, explain
from jobs.paths import RunPaths
from jobs.run.srun import BEGIN
from jobs.submit.reconcile import State, UnitState
from stages.formats.attempts import Attempt, ResultRecord
from tests.jobs import made

GRAPH = made.graph(made.job("a.x", 2, time_min=30))
VALUES = {"job": "a.x", "time_min": "30"}
LIMIT = "stopped at its time limit of 30 min: raise resources.a.x.time_min"
SLURMS = f"{LIMIT} (Slurm: JOB 1 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT)"
ENTRY = made.submission("a.x", [(0,), (1,)])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-26T15:00:00 DUE TO TIME LIMIT ***", LIMIT),
        ("slurmstepd: error: *** STEP 12.0 ON n1 CANCELLED AT 2026-11-26T15:00:00 ***", "cancelled with scancel"),
        ("slurmstepd: error: *** JOB 9 ON n2 CANCELLED AT 2026-11-26T15:00:00 DUE TO PREEMPTION ***", "preempted"),
        (
            "slurmstepd: error: *** JOB 9 ON n2 CANCELLED AT 2026-11-26 DUE TO NODE FAILURE, SEE LOG ***",
            "its node failed",
        ),
        ("srun: error: Node failure on n1", "its node failed (Slurm: Node failure on n1)"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.0", "raise resources.a.x.mem_gb"),
        (
            "slurmstepd: error: execve(): /opt/py/bin/python: No such file or directory",
            "/opt/py/bin/python does not run",
        ),
        ("/tmp/script: line 33: /opt/python: Permission denied", "/opt/python does not run on its node"),
        (
            "/var/spool/slurm_script: line 25: cd: /runs/a/code/12: No such file or directory",
            "its code is gone (/runs/a",
        ),
        ("OSError: [Errno 28] No space left on device: '/x'", "the disk is full"),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk quota is used up"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "the file system is read-only"),
        ("/opt/python: No module named jobs", "lacks the package jobs"),
        ("PermissionError: [Errno 13] Permission denied: '/runs/x'", "no permission on its node '/runs/x'"),
        ("2026-11-26 12:30:01 INFO step 100", ""),
    ],
)
def test_the_cause_is_read_from_the_last_telling_line(line: str, said: str) -> None:
    found = cause(f"2026-11-26 12:30:01 INFO began\n{line}\nsrun: error: n1: task 0: Exited with exit code 2\n", VALUES)
    assert said in found if said else not found


def explained(run: RunPaths, reason: str, last: Attempt | None = None, state: State = "lost") -> str:
    """Return the reason of the first unit after the log was looked at."""
    seen = UnitState(state=state, reason=reason, key=ENTRY.key, element=0)
    states = {"a.x": {made.unit("a.x", 0): seen, made.unit("a.x", 1): UnitState(state="done")}}
    return explain(states, [last] if last else [], GRAPH, run, 90)["a.x"][made.unit("a.x", 0)].reason


def test_a_vague_reason_gives_way_to_the_log_and_a_plain_one_stays(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    log = run.log("a.x", ENTRY.key, 0)
    made.write_tree(
        log.parent, {log.name: "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026 DUE TO TIME LIMIT ***"}
    )
    assert explained(run, "left the queue before it began") == SLURMS
    assert explained(run, "killed by signal 15 (exit 143); it was not started again").startswith(SLURMS)
    crash = "crash loop: 3 attempts in a row without progress past 0, the last state saved (exit 85)"
    assert explained(run, crash, state="failed") == crash.replace("state saved (exit 85)", SLURMS)
    assert explained(run, "state saved (exit 85); it was not started again") == f"{SLURMS}; it was not started again"
    assert explained(run, "RuntimeError: why", state="failed") == "RuntimeError: why"
    waits = "BeginTime; its last attempt: ended without a word on n1 (killed, or the node died)"
    assert explained(run, waits, state="queued") == f"BeginTime; its last attempt: {SLURMS}"
    assert explained(run, waits, state="running") == waits


def test_a_signal_near_the_limit_is_the_limits(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    made.write_tree(run.logs("a.x"), {"other.log": ""})
    start, end = made.start_record(started=0.0), made.end_record("requeue", exit_code=85)
    for ended, signal, said in (
        (30 * 60 - 120.0, "SIGUSR2", LIMIT),
        (5 * 60.0, "SIGUSR2", "interrupted by SIGUSR2 (exit 85)"),
        (30 * 60 - 10.0, "SIGTERM", "interrupted by SIGTERM (exit 85)"),
    ):
        last = Attempt(
            name=made.attempt(ENTRY).name,
            start=start,
            result=ResultRecord(exit_code=85, failed={}, signal=signal),
            end=type(end)(ended=ended, exit_code=85, verdict="requeue", reason="", progress=-1),
        )
        assert explained(run, "state saved (exit 85)", last) == said


def test_an_earlier_attempt_is_not_the_reason_of_the_last(tmp_path: Path) -> None:
    log = RunPaths(tmp_path).log("a.x", ENTRY.key, 0)
    failure = "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026 DUE TO NODE FAILURE ***\n"
    made.write_tree(log.parent, {log.name: f"{BEGIN} 1 on n1\n{failure}{BEGIN} 2 on n2\nstep 7\n"})
    assert explained(RunPaths(tmp_path), "failed (exit 1)", state="failed") == "failed (exit 1)"
    log.write_text(f"{BEGIN} 1 on n1\nstep 7\n{failure}")
    assert explained(RunPaths(tmp_path), "failed (exit 1)", state="failed").startswith("its node failed (Slurm: JOB 1")


def test_a_step_that_goes_on_after_its_limit_has_nothing_to_change(tmp_path: Path) -> None:
    job = made.job("a.x", 1, ranks=2, time_min=30)
    last = Attempt(
        name=made.attempt(ENTRY).name,
        start=made.start_record(started=0.0),
        result=ResultRecord(exit_code=85, failed={}, signal="SIGUSR2"),
        end=replace(made.end_record("requeue", exit_code=85), ended=1700.0),
    )
    run = RunPaths(tmp_path)
    made.write_tree(run.logs("a.x"), {"other.log": ""})
    for state, text in (("queued", "state saved (exit 85)"), ("failed", LIMIT)):
        seen = UnitState(state=state, reason="x: state saved (exit 85)", key=ENTRY.key, element=0)
        states = {"a.x": {made.unit("a.x", 0): seen}}
        found = explain(states, [last], made.graph(job), run, 90)["a.x"][made.unit("a.x", 0)]
        assert found.reason == f"x: {text}"


def test_a_folder_of_logs_that_is_gone_is_the_reason(tmp_path: Path) -> None:
    assert "folder of its logs is gone" in explained(RunPaths(tmp_path), "left the queue before it began")
    (tmp_path / "logs" / "a.x").mkdir(parents=True)
    assert explained(RunPaths(tmp_path), "left the queue before it began") == "left the queue before it began"


def test_a_full_disk_explains_a_missing_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs" / "a.x").mkdir(parents=True)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 0}))
    assert "the disk of the run is full" in explained(RunPaths(tmp_path), "ended without a word on n1 (killed)")


def test_a_step_that_srun_has_ended_was_not_cancelled() -> None:
    killed = "srun: error: n2: task 1: Killed\nsrun: launch/slurm: _step_signal: Terminating StepId=7.0\n"
    stopped = "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-11-26T19:07:01 ***\n"
    assert cause(killed + stopped, VALUES) == ""
    assert cause("slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.\n" + killed + stopped, VALUES) == (
        "out of memory: raise resources.a.x.mem_gb (Slurm: Detected 1 oom_kill event in StepId=7.0.)"
    )
    over = "slurmstepd-n1: error: StepId=7.0 exceeded memory limit (9 > 8), being killed\n"
    assert cause(over + stopped, VALUES).endswith("(Slurm: StepId=7.0 exceeded memory limit (9 > 8), being killed)")
    again = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-26T19:09:01 ***\n"
    assert cause(killed + stopped + again + stopped, VALUES) == (
        "cancelled with scancel (Slurm: JOB 7 ON n1 CANCELLED AT 2026-11-26T19:09:01)"
    )


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "2026-11-26 12:30:01 ERROR {}",
        '{{"time": "2026-11-26T12:30:01+00:00", "level": "error", "message": "{}"}}',
    ],
)
@pytest.mark.parametrize("who", ["worker", "attempt_end"])
def test_a_record_that_could_not_be_written_is_the_cause(form: str, who: str) -> None:
    sentence = "/runs/x/ledger/start.json: the disk is full. Free some space, or use another folder"
    assert cause(form.format(f"{who}: {sentence}"), VALUES) == sentence


def test_the_memory_of_a_gpu_is_not_the_nodes() -> None:
    assert cause("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n", VALUES) == ""


def test_of_a_long_log_the_end_counts(tmp_path: Path) -> None:
    log = RunPaths(tmp_path).log("a.x", ENTRY.key, 0)
    made.write_tree(log.parent, {log.name: "Disk quota exceeded\n" + "x" * TAIL_BYTES})
    assert explained(RunPaths(tmp_path), "failed (exit 1)") == "failed (exit 1)"
