"""The rank that ended first, from logs as Slurm writes them."""

from __future__ import annotations

import pytest

from jobs.run.srun import first_end, is_stopped_first

GLOO = "[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242"
OWN = "RuntimeError: loss is nan at step 3"
SEEN = "stagecoach: attempt 1 on n1\n"
STEP = "srun: launch/slurm: _step_signal: Terminating StepId=4437.0\n"
STOPPED = "slurmstepd: error: *** STEP 4437.0 ON n1 CANCELLED AT 2026-11-26T19:07:04 ***\n"
KILLED = "srun: error: n2: task 1: Killed\n"
LOST = "srun: error: n1: task 0: Exited with exit code 1\n"
SPOKEN = "rank 1 was killed by signal 9 on n2 (srun: Killed)"
OOM = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.\n"
LACK = "rank 1 was killed on n2 for lack of memory (srun: Killed)"


@pytest.mark.parametrize(
    ("log", "said", "sentence"),
    [
        # As srun 22.05 wrote it: the survivor before the one that was killed, and the other way round.
        (f"{GLOO}\n{LOST}{STEP}{KILLED}srun: Force Terminated StepId=4437.0\n", GLOO, SPOKEN),
        (f"{KILLED}{STEP}{GLOO}\n{LOST}", GLOO, SPOKEN),
        (f"{KILLED}{STEP}{STOPPED}srun: error: n1: task 0: Terminated\n", "", SPOKEN),
        (f"srun: error: n1: tasks 0,2: Exited with exit code 1\n{STEP}srun: error: n2: task 3: Exited with exit "
         f"code 1\n{KILLED}", GLOO, SPOKEN),
        (f"{LOST}{STEP}{STOPPED}{KILLED}", GLOO, SPOKEN),
        # What srun and the nodes of other sites write.
        ("srun: error: nid005: tasks 4-7: Killed\n", GLOO,
         "ranks 4-7 were killed by signal 9 on nid005 (srun: Killed)"),
        ("srun: error: n1: task 3: Segmentation fault (core dumped)\n", GLOO,
         "rank 3 was killed by signal 11 on n1 (srun: Segmentation fault (core dumped))"),
        ("srun: error: n1: task 3: Bus error\n", GLOO, "rank 3 was killed by signal 7 on n1 (srun: Bus error)"),
        ("srun: error: n2: task 1: Out Of Memory\n", GLOO,
         "rank 1 was killed on n2 for lack of memory (srun: Out Of Memory)"),
        (OOM + KILLED, GLOO, LACK),
        ("slurmstepd: error: Step 7.0 exceeded memory limit (9 > 8), being killed\n" + KILLED, GLOO, LACK),
        ("srun: error: Node failure on n3\n" + LOST, GLOO, "node n3 failed (srun: Node failure on n3)"),
        ("half a line of a rank " + KILLED, GLOO, SPOKEN),
        # A rank that said why it failed, and others that hung until Slurm killed them, or that a library ended.
        (f"{LOST}{STEP}{STOPPED}{KILLED}", OWN, None),
        (f"srun: error: n2: task 1: Aborted\n{LOST}", GLOO, None),
        (LOST, OWN, None),
        # Nobody said anything.
        ("srun: error: n2: task 1: Aborted (core dumped)\n" + LOST, "",
         "rank 1 was killed by signal 6 on n2 (srun: Aborted (core dumped))"),
        (LOST, "", "rank 0 ended on n1 without a word (srun: Exited with exit code 1)"),
        ("srun: error: n1: tasks 0-1: Exited with exit code 85\n", "", None),
        (f"slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026 ***\n{STOPPED}srun: error: n1: task 0: Terminated\n",
         "", None),
        (f"{STOPPED}{KILLED}", GLOO, None),
        ("", "", None),
    ],
)  # fmt: skip
def test_the_rank_that_ended_first_is_found(log: str, said: str, sentence: str | None) -> None:
    end = first_end(SEEN + log, said)
    assert (end.sentence if end else None) == sentence


def test_an_earlier_attempt_does_not_count() -> None:
    assert first_end(f"{SEEN}{KILLED}stagecoach: attempt 2 on n3\n{LOST}", GLOO) is None


def test_the_code_is_that_of_the_rank() -> None:
    codes = [first_end(f"srun: error: n1: task 0: {how}\n", "") for how in ("Killed", "Out Of Memory", "Aborted")]
    assert [end.exit_code for end in codes if end] == [137, 137, 134]
    (exited,) = [first_end("srun: error: n1: task 0: Exited with exit code 7\n", "")]
    assert exited is not None and exited.exit_code == 7


def test_what_slurm_stops_as_a_whole_has_no_rank_that_ended_first() -> None:
    limit = "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-11-26T19:07:04 DUE TO TIME LIMIT ***\n"
    assert is_stopped_first(f"{SEEN}{KILLED}stagecoach: attempt 2 on n1\n{limit}{LOST}")
    assert not is_stopped_first(f"{SEEN}{LOST}{STEP}{STOPPED}{KILLED}")
    assert not is_stopped_first(SEEN + LOST)
