"""The launcher on a real Slurm whose queue holds what the plan does not: strays, outages, cancels in between."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from envs.testbed import conf, control, daemons
from jobs.paths import RunPaths
from jobs.submit.ledger import write_submission
from jobs.submit.reasons import NOT_SEEN
from jobs.submit.snapshot import take_snapshot
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.fakes import write_fake
from tests.jobs.made import write_tree
from tests.jobs.on_slurm import CLUSTER, EACH_ONCE, Make, maker, text
from tests.jobs.users import MALLORY, as_user, open_to_all, two_users


@pytest.fixture(scope="module")
def make(testbed: dict[str, str], code_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    return maker(testbed, code_root, tmp_path_factory)


def slow_sbatch(folder: Path, before: str) -> str:
    """Return a PATH on which an sbatch runs some lines before the real one."""
    real = shutil.which("sbatch")
    write_fake(folder, "sbatch", f'{before}\nexec {real} "$@"')
    return f"{folder}:{os.environ['PATH']}"


def test_arrays_of_earlier_settings_are_shown_and_cancel_ends_them_and_nothing_of_another_run(make: Make) -> None:
    other = make("other", paces=100_000, pause_s=0.1).submit()
    toy = make(paces=100_000, pause_s=0.1, resources={"march": {"throttle": 1}}).submit()
    until(toy.has_walked, "the march has begun")
    array = toy.rows("march")[0].array
    toy.settings["paces"] = 90_000
    said = toy.launch("run").stdout
    assert f"toy.march: 1 element in the queue of earlier settings ({array}). `" in said
    assert "cancel toy --strays` ends what the plan does not have." in said
    (stray,) = (each for each in toy.status()["strays"] if each["job"] == "toy.march")
    assert (stray["why"], stray["slurm_ids"]) == ("of earlier settings", [f"{array}_0"])
    (waiting,) = toy.status()["jobs"]["toy.march"]["units"].values()
    assert (waiting["state"], waiting["reason"]) == (
        "queued",
        "waits for the throttle, behind arrays of earlier settings",
    )
    assert "2 stray elements of toy cancelled" in toy.launch("cancel", "--strays").stdout
    until(lambda: [row.state for row in toy.rows("march")] == ["RUNNING"], "the present march has begun")
    assert toy.status()["strays"] == []
    toy.settings["paces"] = 80_000
    assert toy.launch("run").returncode == 0
    # An id that Slurm has given to another run since: its rows are not taken for this run's.
    entry = toy.submissions("gather")[-1]
    write_submission(toy.run, replace(entry, slurm_id=other.submissions("march")[0].slurm_id))
    done = toy.launch("cancel")
    assert "stray element" in done.stdout, done.stdout + done.stderr
    write_submission(toy.run, entry)
    until(lambda: not toy.rows(), "everything of the run has gone")
    assert toy.status()["strays"] == []
    assert {row.state for row in other.rows("march")} == {"RUNNING"}
    assert other.launch("cancel").returncode == 0


def test_no_more_elements_than_the_throttle_run_at_once_over_several_calls(make: Make) -> None:
    toy = make(units=6, resources={"make": {"throttle": 2}})
    toy.mood("make.0", "once fail")
    toy.mood("make.1", "once fail")
    for place in range(2, 6):
        toy.mood(f"make.{place}", "wait")
    toy.submit()

    def failed() -> int:
        return sum(each.end is not None and each.end.verdict == "failed" for each in toy.attempts("make"))

    until(lambda: failed() == 2, "two have failed, and others are at work")
    launcher, at_once = toy.begin("heal", "--wait"), [0]

    def running() -> int:
        at_once.append(sum(row.state == "RUNNING" for row in toy.rows("make")))
        return at_once[-1]

    until(lambda: running() == 2 and toy.arrays("make") == 2, "two are at work and the failed ones wait")
    for place in range(2, 6):
        toy.mood(f"make.{place}", "")
    while launcher.poll() is None:
        running()
        time.sleep(0.1)
    assert (launcher.returncode, max(at_once), toy.arrays("make")) == (0, 2, 2)
    assert toy.gathered() == text(units=6)


def test_a_cancel_while_a_launcher_submits_leaves_nothing_in_the_queue(make: Make) -> None:
    toy = make(units=25, paces=100_000, pause_s=0.1)
    go = toy.home / "go"
    toy.environment["PATH"] = slow_sbatch(toy.home / "bin", f"while [ ! -e '{go}' ]; do sleep 0.1; done")
    launcher = toy.begin("run", "--wait")
    until(lambda: list((toy.home / "bin").glob("sbatch.call.*")), "the first array is on its way")
    assert toy.launch("cancel").returncode == 0
    go.touch()
    assert launcher.wait(timeout=PATIENCE_S) != 0
    assert "the run was cancelled: nothing more is submitted" in (toy.home / "launcher.log").read_text()
    until(lambda: not toy.rows(), "nothing is left")
    assert toy.arrays("gather") == 0


def test_an_sbatch_that_outlives_its_launcher_is_waited_for_and_brings_no_second_array(make: Make) -> None:
    toy = make()
    go = toy.home / "go"
    toy.environment["PATH"] = slow_sbatch(toy.home / "bin", f"while [ ! -e '{go}' ]; do sleep 0.1; done")
    launcher = toy.begin("run")
    until(lambda: list((toy.home / "bin").glob("sbatch.call.*")), "sbatch is under way")
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    again = toy.begin("run", "--wait")
    log = toy.home / "launcher.log"
    until(lambda: "the sbatch of a launcher that died may be under way" in log.read_text(), "the next one waits for it")
    go.touch()
    assert again.wait(timeout=PATIENCE_S) == 0, log.read_text()
    assert (toy.calls(), toy.arrays("make")) == (EACH_ONCE, 1)


def test_what_no_node_has_is_refused_before_the_first_array_starts(make: Make) -> None:
    toy = make(resources={"march": {"gpus_per_node": 4}})
    done = toy.launch("run")
    assert done.returncode == 2
    assert "elements of toy.march" in done.stderr
    assert "Invalid generic resource (gres) specification. Nothing was submitted" in done.stderr
    assert not toy.rows()
    status = toy.launch("status").stdout
    assert "toy.march/all lost: refused by Slurm: Invalid generic resource (gres) specification" in status


def test_what_can_never_start_ends_a_launcher_that_waits_and_starts_when_the_setting_is_right(make: Make) -> None:
    toy = make(resources={"make": {"time_min": 100_000}})
    done = toy.launch("run", "--wait")
    assert done.returncode == 1
    assert "Slurm never starts it. Change resources.toy.make" in done.stdout  # first PartitionConfig, then its own name
    assert "time_min" in done.stdout
    assert toy.launch("status").returncode == 1
    toy.recipe["resources"] = {}
    healed = toy.launch("run", "--wait")
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert toy.calls() == EACH_ONCE


def test_the_rank_that_was_killed_is_named_and_not_those_that_lost_it(make: Make) -> None:
    toy = make(walkers=3, resources={"march": {"max_stalls": 0}})
    toy.mood("march.0", "lose 1")
    assert toy.launch("run", "--wait").returncode == 1
    (ended,) = toy.attempts("march")
    assert ended.end is not None
    node = re.escape(toy.nodes("march.0")[0])
    named = rf"rank 1 was killed by signal 9 on (?!{node})n\d \(srun: Killed\)"
    assert re.search(named, ended.end.reason), ended.end
    assert "gloo" not in ended.end.reason
    assert re.search(rf"toy.march/all failed: {named}\n", toy.launch("status").stdout)
    log = toy.run.log("toy.march", ended.name.key, 0).read_text()
    assert re.search(r"srun: error: n\d: task 1: Killed", log)  # Slurm may cut the words of ranks that it ends itself


def test_what_takes_more_memory_than_it_asked_for_says_so(make: Make) -> None:
    toy = make(units=1, resources={"make": {"mem_gb": 0.2, "max_stalls": 0}})
    toy.cluster = {**CLUSTER, "sbatch": {"acctg-freq": "task=1"}}
    toy.mood("make.0", "eat 600")
    toy.submit()
    until(lambda: toy.has_ended("make", "failed"), "it was killed")
    status = toy.launch("status").stdout
    assert "out of memory: raise resources.toy.make.mem_gb (Slurm: StepId=" in status, status
    assert "exceeded memory limit (" in status
    toy.launch("cancel")


def test_an_element_of_a_node_that_fails_is_started_again_and_says_why(make: Make) -> None:
    toy = make()
    toy.mood("march.0", "rest 2")
    launcher = toy.begin("run", "--wait")
    until(lambda: toy.has_walked(2), "the march has begun")
    (node,) = {row.node for row in toy.rows("march")}
    toy.slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=a test")
    try:
        until(lambda: [row for row in toy.rows("march") if row.restarts], "it was requeued")
        reason = toy.status()["jobs"]["toy.march"]["units"]["all"]["reason"]
        assert re.fullmatch(
            rf"(BeginTime|{NOT_SEEN}); its last attempt: its node failed \(Slurm: .*{node}.*\)", reason
        ), reason
    finally:
        control.up()
    toy.mood("march.0", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert toy.gathered() == text()


@pytest.fixture
def open_testbed() -> Iterator[None]:
    """Let other users reach the testbed."""
    folder = control.home()
    folder.chmod(0o711)
    (folder / "slurm.conf").chmod(0o644)
    conf.munge_socket(folder).chmod(0o777)
    yield
    folder.chmod(0o700)


@two_users
@pytest.mark.usefixtures("open_testbed")
def test_a_colleague_sees_a_run_of_the_group_as_it_is_and_moves_nothing_of_it(make: Make, code_root: Path) -> None:
    toy = make(units=1, paces=100_000, pause_s=0.1)
    squeue = write_fake(
        toy.home / "bin", "squeue", f'id -u >> "{toy.home}/callers"\nexec {shutil.which("squeue")} "$@"'
    )
    toy.cluster = {
        **CLUSTER,
        "umask": "007",
        "shared": True,
        "environment": {"PATH": f"{squeue.folder}:{os.environ['PATH']}"},
    }
    # The colleague has been there before.
    victim, theirs = toy.home / "thesis.txt", toy.run.code / take_snapshot(RunPaths(toy.home), code_root).name
    victim.write_text("ten years of work")
    write_tree(theirs, {"jobs/run/worker.py": f"open('{toy.home}/pwned', 'w')", "jobs/run/__init__.py": ""})
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, MALLORY, MALLORY)
    for path in (toy.run.root, toy.run.code):
        os.chown(path, 0, MALLORY)
        path.chmod(0o2770)
    toy.run.lock.symlink_to(victim)
    refused = toy.launch("run")
    assert (refused.returncode, "Remove the link" in refused.stderr) == (2, True), refused.stderr
    assert (toy.rows(), victim.read_text()) == ([], "ten years of work")
    toy.run.lock.unlink()
    toy.submit()
    until(toy.has_walked, "the march has begun")
    before, asked = [row.slurm_id for row in toy.rows()], toy.home.joinpath("callers").read_text()
    own = toy.home / "own.yaml"
    own.write_text(yaml.safe_dump(CLUSTER))
    for path in (toy.home / "recipe.yaml", own, code_root):
        open_to_all(path)
    words = ["--runs", str(toy.home / "runs")]

    def colleague(*argv: str) -> subprocess.CompletedProcess[str]:
        return as_user(MALLORY, *argv, *words, root=code_root, environment=toy.environment)

    seen = colleague("status", "toy", "--json")
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout)["jobs"]["toy.march"]["counts"] == {"running": 1}
    again = ("run", str(toy.home / "recipe.yaml"), "--cluster", str(own), "--name", "toy")
    for verb in (("heal", "toy"), ("cancel", "toy"), ("prune", "toy", "--yes"), ("report", "toy"), again):
        done = colleague(*verb)
        assert done.returncode == 2, done.stdout
        assert re.search(r"belongs to root, and you are 1001: .*for a run of your own$", done.stderr), done.stderr
    assert [row.slurm_id for row in toy.rows()] == before
    assert toy.home.joinpath("callers").read_text() == asked, "nothing on the owner's PATH was run by somebody else"
    assert not (toy.home / "pwned").exists()
    assert toy.launch("cancel").returncode == 0


def test_after_an_outage_of_the_controller_done_elements_that_it_holds_stop_nobody(make: Make) -> None:
    toy = make(units=2)
    toy.mood("make.0", "wait")
    toy.mood("make.1", "wait")
    toy.submit()
    until(lambda: len(toy.calls()) == 2, "the units are at work")
    # What the controller has not saved it forgets, and it gives the ids of such jobs again: their nodes are drained.
    words = ["sbatch", "--parsable", "--hold", "--job-name=saved-last", "--output=/dev/null", "--wrap=true"]
    held = subprocess.run(words, env=toy.environment, capture_output=True, text=True, check=True).stdout.strip()
    saved = control.home() / "state" / "job_state"
    until(lambda: saved.exists() and b"saved-last" in saved.read_bytes(), "the controller has saved its jobs")
    os.kill(daemons.running(control.home())["slurmctld"], signal.SIGKILL)
    until(lambda: "slurmctld" not in daemons.running(control.home()), "the controller is gone")
    toy.mood("make.0", "")
    toy.mood("make.1", "")
    until(lambda: len(list(toy.run.root.glob("steps/toy.make/*/done/*"))) == 2, "they are done in the outage")
    control.up()
    done = toy.launch("run", "--wait")
    if done.returncode:  # Slurm may have started what it lost sight of again, and hold it
        done = toy.launch("heal", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.gathered() == text(units=2)
    until(lambda: not toy.rows(), "and nothing of it stays in the queue")
    subprocess.run(["scancel", held], env=toy.environment, check=True)
