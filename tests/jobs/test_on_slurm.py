"""The launcher on a real Slurm: arrays, chunks, requeues, preemption, time limits, cancels, and what people do by hand.

Whatever waits (Slurm lets a requeued job sit for ten seconds, a time limit is a minute) begins together in `slow`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from stages.formats.attempts import Attempt, EndRecord, StartRecord
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.fakes import write_fake
from tests.jobs.on_slurm import CLUSTER, EACH_ONCE, Make, OnSlurm, maker, text

HOSTILE = 'it\'s "a run" of $(touch pwned) `touch pwned` 100%j; #SBATCH --time=1'


def start(attempt: Attempt) -> StartRecord:
    """Return the start of an attempt that has one."""
    assert attempt.start is not None
    return attempt.start


def end(attempt: Attempt) -> EndRecord:
    """Return the end of an attempt that has one."""
    assert attempt.end is not None
    return attempt.end


def signal(attempt: Attempt) -> str:
    """Return the signal that asked an attempt to stop."""
    return attempt.result.signal if attempt.result is not None else ""


@pytest.fixture(scope="module")
def make(testbed: dict[str, str], code_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    return maker(testbed, code_root, tmp_path_factory)


@pytest.fixture(scope="module", autouse=True)
def slow(make: Make) -> dict[str, OnSlurm]:
    """Begin what takes long, all at once."""
    begun = {
        "time limit": make(paces=12, resources={"march": {"time_min": 1}}),
        "preempted": make(resources={"march": {"partition": "preempt", "cpus": 8}}),
        "bad node": make(),
        "no time": make(units=1, resources={"make": {"time_min": 1, "max_stalls": 0}}),
        "crash loop": make(resources={"march": {"max_stalls": 1}}),
    }
    begun["time limit"].mood("march.0", "rest 11")
    begun["preempted"].mood("march.0", "rest 2")
    begun["no time"].mood("make.0", "wait")
    begun["bad node"].mood("make.1", "once node")
    begun["crash loop"].mood("make.2", "once stall")
    begun["crash loop"].mood("march.0", "stall")
    return {name: toy.submit() for name, toy in begun.items()}


def test_a_preempted_march_is_told_saves_and_goes_on_when_its_nodes_are_free_again(slow: dict[str, OnSlurm]) -> None:
    toy = slow["preempted"]
    until(lambda: toy.has_walked(2), "the march has begun")
    node = start(toy.attempts("march")[0]).node
    toy.slurm("sbatch", "-p", "urgent", "-w", node, "-n", "8", "-o", "/dev/null", "--wrap", "sleep 1")
    until(lambda: toy.has_ended("march", "requeue"), "it was preempted")
    first = toy.attempts("march")[0]
    assert (end(first).exit_code, signal(first)) in ((85, "SIGUSR2"), (85, "SIGTERM"))
    assert first.progress == 2


def test_long_arrays_are_chunked_several_nodes_march_and_all_is_gathered(make: Make) -> None:
    toy = make(units=12, walkers=2)
    # The launcher is called from within an array element of someone's, itself in its third start.
    around = {
        "JOB_ID": "1",
        "ARRAY_JOB_ID": "1",
        "ARRAY_TASK_ID": "7",
        "PROCID": "3",
        "RESTART_COUNT": "2",
        "NTASKS": "9",
    }
    toy.environment.update({f"SLURM_{name}": value for name, value in around.items()}, STAGECOACH_RESTART="2")
    done = toy.launch("run", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.gathered() == text(units=12)
    assert set(toy.calls().values()) == {1}
    assert {attempt.name.restart for attempt in toy.attempts("make")} == {0}
    chunks = toy.submissions("make")
    assert [len(entry.elements) for entry in chunks] == [11, 1], "MaxArraySize is 11 there"
    alone = next(entry for entry in toy.attempts("make") if entry.name.key == chunks[1].key)
    assert start(alone).slurm_id == f"{chunks[1].slurm_id}_0", "an array of one is an array"
    nodes = start(toy.attempts("march")[0]).nodes
    assert "," in nodes or "-" in nodes
    again = toy.launch("run")
    assert "Nothing to do" in again.stdout
    assert toy.launch("status").returncode == 0


def test_a_failure_is_one_line_and_heal_runs_it_alone_and_dependents_finish(make: Make) -> None:
    toy = make()
    toy.mood("make.1", "fail the ink is dry")
    assert toy.launch("run", "--wait").returncode == 1
    status = toy.launch("status")
    assert status.returncode == 1
    assert status.stdout.count("toy.make/1 failed: RuntimeError: the ink is dry") == 1
    assert toy.states("toy.march") == toy.states("toy.gather") == {"blocked": 1}
    assert "nothing to submit" in toy.launch("run").stdout, "run lets failures be"
    toy.mood("make.1", "")
    healed = toy.launch("heal", "--wait")
    assert healed.returncode == 0, healed.stdout
    assert toy.gathered() == text()
    assert toy.calls() == {**EACH_ONCE, "make.1": 2}
    assert [toy.arrays(job) for job in ("make", "march", "gather")] == [2, 1, 1], "dependents were rewired, not doubled"


def test_what_waits_for_a_half_failed_array_waits_for_its_living_elements(make: Make) -> None:
    toy = make()
    toy.mood("make.0", "once fail")
    toy.mood("make.2", "wait")
    toy.submit()
    until(lambda: toy.has_ended("make", "failed"), "an element has failed")
    healer = toy.begin("heal", "--wait")
    until(lambda: toy.is_done("make", "0"), "it is done, though another element of its first array is still at work")
    assert not toy.attempts("march")
    toy.mood("make.2", "")
    assert healer.wait(timeout=PATIENCE_S) == 0
    assert toy.gathered() == text()
    assert toy.calls() == {**EACH_ONCE, "make.0": 2}


def test_a_launcher_killed_between_sbatch_and_the_ledger_finds_its_array_again(make: Make) -> None:
    toy = make()
    toy.cluster = {**CLUSTER, "comment": "project 42"}  # a site's own comment does not hide the launcher's
    real = subprocess.run(["which", "sbatch"], capture_output=True, text=True, check=True).stdout.strip()
    kill = "kill -9 $(awk '/PPid/ {print $2}' /proc/$PPID/status)"
    folder = write_fake(toy.home / "bin", "sbatch", f'{real} "$@"; {kill}').folder
    toy.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    assert toy.launch("run").returncode == -9
    assert [entry.slurm_id for entry in toy.submissions()] == [""]
    toy.environment["PATH"] = os.environ["PATH"]
    done = toy.launch("run", "--wait")
    assert "submitted by a launcher that died before it noted the id" in done.stdout
    assert done.returncode == 0
    assert (toy.calls(), toy.arrays("make")) == (EACH_ONCE, 1)


def test_what_is_cancelled_stays_cancelled_and_run_goes_on_from_what_was_saved(make: Make) -> None:
    toy = make(paces=12)
    toy.mood("march.0", "rest 3")
    toy.submit()
    until(toy.has_walked, "the march has begun")
    toy.slurm("scancel", toy.rows("march")[0].slurm_id)  # by hand, behind the launcher's back
    until(lambda: not toy.rows("march"), "it has gone")
    status = toy.launch("status")
    assert status.returncode == 1
    assert "toy.march/all lost: cancelled with scancel (Slurm: JOB " in status.stdout
    assert "; it was not started again" in status.stdout
    assert toy.attempts("march")[0].progress == 3
    toy.mood("march.0", "rest 6")
    toy.launch("run")
    until(lambda: toy.has_walked(6), "it walks on")
    assert "2 units of toy cancelled" in toy.launch("cancel").stdout
    until(lambda: not toy.rows("march"), "it has gone")
    assert toy.states("toy.march") == toy.states("toy.gather") == {"cancelled": 1}
    assert end(toy.attempts("march")[-1]).verdict == "cancelled"
    toy.mood("march.0", "")
    assert toy.launch("run", "--wait").returncode == 0
    assert (toy.gathered(), toy.calls()["march.0"]) == (text(12), 3)


def test_a_python_or_code_that_is_not_on_the_nodes_is_the_reason(make: Make) -> None:
    toy = make()
    toy.cluster = {**CLUSTER, "python": "/opt/none/python"}
    toy.submit()
    until(lambda: not toy.rows("make"), "it has gone")
    assert "/opt/none/python does not run on its node" in toy.launch("status").stdout
    toy.launch("cancel")
    toy = make()
    toy.cluster = {**CLUSTER, "sbatch": {"begin": "now+3"}}
    toy.submit()
    (toy.run.code).rename(toy.run.root / "moved")
    until(lambda: not toy.rows("make"), "it has gone")
    assert f"its code is gone ({toy.run.code}" in toy.launch("status").stdout
    toy.launch("cancel")


def test_a_job_that_slurm_starts_too_early_says_what_is_missing_and_heal_mends_it(make: Make) -> None:
    toy = make()
    toy.mood("march.0", "rest 2")
    toy.submit()
    until(lambda: toy.has_walked(2), "the march has begun")
    # What Slurm does by itself when the ids of a dependency were purged (MinJobAge).
    toy.slurm("scontrol", "update", f"jobid={toy.submissions()[-1].slurm_id}", "dependency=")
    until(lambda: toy.has_ended("gather", "failed"), "it has seen that it is too early")
    status = toy.launch("status").stdout
    assert "toy.gather/all failed: inputs incomplete: toy.march lacks all." in status
    assert toy.calls()["gather.0"] == 0
    toy.mood("march.0", "")
    assert toy.launch("heal", "--wait").returncode == 0
    assert toy.gathered() == text()


def test_a_milestone_is_read_while_the_march_that_published_it_goes_on(make: Make) -> None:
    toy = make(paces=6, milestones=[3])
    toy.mood("march.0", "rest 3")
    toy.recipe["reader"] = {"steps": "from:toy", "moods": str(toy.moods)}
    launcher = toy.begin("run", "--wait")
    until(lambda: toy.calls()["read.0"], "the milestone is read")
    assert not toy.is_done("march")
    toy.mood("march.0", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert toy.calls() == {**EACH_ONCE, "read.0": 1}


def test_a_service_serves_its_readers_and_is_cancelled_after_them(make: Make) -> None:
    toy = make()
    toy.recipe.update(targets=["reader"], echo={}, reader={"endpoint": "from:echo", "moods": str(toy.moods)})
    toy.moods.mkdir(parents=True)
    done = toy.launch("run", "--wait")
    assert done.returncode == 0, done.stdout
    assert toy.calls() == {"read.0": 1, "read.1": 1}
    assert "echo: no longer needed; stopping it" in done.stdout
    until(lambda: not toy.rows("echo"), "the service has gone")
    assert toy.status()["finished"]
    assert "Nothing to do" in toy.launch("run").stdout


def test_units_that_share_a_node_are_each_done_once(make: Make) -> None:
    toy = make(units=4, resources={"make": {"units_per_element": 4, "units_at_once": 2}})
    done = toy.launch("run", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.gathered() == text(units=4)
    assert set(toy.calls().values()) == {1}
    (attempt,) = toy.attempts("make")
    assert start(attempt).units == ("0", "1", "2", "3")
    assert attempt.num_results == 2, "two processes of one step shared the units"


@pytest.mark.parametrize("name", [HOSTILE, HOSTILE.replace(" of ", "\n")], ids=["one line", "two lines"])
def test_a_hostile_name_from_sbatch_to_the_last_log(make: Make, name: str) -> None:
    toy = make(name)
    done = toy.launch("run", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.gathered() == text()
    logs = sorted(path.name for path in toy.run.logs("toy.make").iterdir())
    (key,) = {entry.key for entry in toy.submissions("make")}
    assert logs == [f"{key}.{element}.log" for element in range(3)]
    assert "toy.make/2: done" in toy.run.log("toy.make", key, 2).read_text(encoding="utf-8")
    assert not list(toy.home.rglob("pwned"))
    assert {path.name for path in (toy.home / "runs").iterdir()} == {name}, "no log landed beside the run"


def test_an_element_leaves_a_bad_node_for_a_good_one(slow: dict[str, OnSlurm]) -> None:
    toy = slow["bad node"]
    until(toy.is_done, "it has finished")
    first, second = toy.nodes("make.1")
    assert first != second
    assert toy.calls() == {**EACH_ONCE, "make.1": 2}


def test_a_requeue_starts_one_element_and_a_crash_loop_stops_with_its_reason(slow: dict[str, OnSlurm]) -> None:
    toy = slow["crash loop"]
    until(lambda: toy.has_ended("march", "failed"), "the breaker has opened")
    until(lambda: not toy.rows("march"), "Slurm has noticed")
    # make/2 asked to be started again; as the last element it has the raw id of the whole array.
    assert toy.calls() == {"make.0": 1, "make.1": 1, "make.2": 2, "march.0": 2}
    status = toy.launch("status")
    assert status.returncode == 1
    assert "toy.march/all failed after 2 attempts: crash loop: 2 attempts in a row without progress" in status.stdout
    toy.mood("march.0", "")
    assert toy.launch("heal", "--wait").returncode == 0
    assert toy.gathered() == text()


def test_after_a_preemption_nothing_was_lost(slow: dict[str, OnSlurm]) -> None:
    toy = slow["preempted"]
    until(toy.is_done, "it has finished")
    assert toy.gathered() == text()
    assert toy.calls() == {**EACH_ONCE, "march.0": 2}


def test_a_step_that_cannot_resume_says_that_its_time_was_too_short(slow: dict[str, OnSlurm]) -> None:
    toy = slow["no time"]
    until(lambda: toy.has_ended("make", "failed"), "it was stopped")
    until(lambda: not toy.rows("make"), "Slurm has noticed")
    limit = "stopped at its time limit of 1 min: raise resources.toy.make.time_min"
    assert limit in toy.launch("status").stdout
    assert toy.calls() == {"make.0": 1}
    toy.launch("cancel")


def test_at_the_time_limit_state_is_saved_and_the_rest_is_done_after_it(slow: dict[str, OnSlurm]) -> None:
    toy = slow["time limit"]
    until(toy.is_done, "it has finished")
    first, *others = toy.attempts("march")
    assert (end(first).exit_code, end(first).verdict, signal(first)) == (85, "requeue", "SIGUSR2")
    assert first.progress == 11
    assert len(others) == 1, "the second attempt went on where the first had stopped"
    assert toy.gathered() == text(12)
