"""Killed anywhere, any number of times, a run ends with the bytes of one that was never touched. On a real Slurm."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.cluster import DATA, PRETRAIN, write_cluster
from tests.launching import attempts, launch, shard_files, step_dir

STEPS = 1200
KILLS = 5


@pytest.fixture(scope="module")
def rough(testbed: dict[str, str], tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the same training twice, undisturbed and mistreated; return the folder of the run.

    Mistreated: five kill -9 at random steps, then requeued by Slurm at its time limit, then preempted by a job of a
    partition that takes its nodes away.
    """
    runs = tmp_path_factory.mktemp("exact")
    recipe, cluster = runs / "exact.yaml", str(write_cluster(runs))
    common = PRETRAIN.format(**tokens) + f"  steps: {STEPS}\n  checkpoint_every: 20\n"
    limits = "resources:\n  rough: {partition: preempt, max_stalls: 6}\n"
    recipe.write_text(f"targets: [calm, rough]\n{limits}calm:\n{common}rough:\n{common}")
    submit = ("run", str(recipe), "--cluster", cluster, "--name", "exact")
    launch(*submit, "--set", "targets=[calm]", "--wait", runs=runs)
    seed = int(os.environ.get("STAGECOACH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    kills = sorted(random.Random(seed).sample(range(5, 160), KILLS))
    print(f"kill -9 at steps {kills} (STAGECOACH_TEST_SEED={seed})")
    launch(*submit, *(word for step in kills for word in ("--fault", f"rough@{step}:kill")), runs=runs)
    job = Mistreated(runs / "exact", testbed)
    job.wait_until_it_gets_on("past the last kill", lambda ends: crashes(ends) >= KILLS)
    job.reach_its_time_limit()
    job.wait_until_it_gets_on("past its time limit", lambda ends: ends.count(85) == 1)
    job.be_preempted()
    wait_for(lambda: launch("status", "exact", runs=runs, check=None).stdout.endswith("finished.\n"), "the end")
    wait_for(lambda: bool(attempts(runs / "exact", "rough")[-1]["end"]), "its last word, after the mark")
    return runs / "exact"


def crashes(codes: list[int | None]) -> int:
    """Count the attempts that ended neither well nor with their state saved.

    A killed rank shows as 137, or as whatever the ranks that lost it end with: srun reports either.
    """
    return sum(code not in (None, 0, 85) for code in codes)


class Mistreated:
    """The training under test, as Slurm and the ledger see it."""

    def __init__(self, run: Path, testbed: dict[str, str]) -> None:
        self.run = run
        self.env = {**os.environ, **testbed}

    def slurm(self, *command: str) -> str:
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=180).stdout

    def wait_until_it_gets_on(self, when: str, past: Callable[[list[int | None]], bool]) -> None:
        """Wait until attempts have ended as `past` wants and the one after them has trained a few steps."""

        def gets_on() -> bool:
            tries = attempts(self.run, "rough")
            *ended, last = [attempt["end"].get("exit_code") for attempt in tries] or [None]
            return past(ended) and last is None and tries[-1]["progress"] > max(t["progress"] for t in tries[:-1])

        wait_for(gets_on, when)

    def reach_its_time_limit(self) -> None:
        """Cut the time limit of the running job to the next full minute: a real limit, only not waited for."""
        job = attempts(self.run, "rough")[-1]["slurm_id"]
        days_hours, minutes, _ = ("0:" + self.slurm("squeue", "-h", "-j", job, "-o", "%M").strip()).rsplit(":", 2)
        assert days_hours == "0"
        self.slurm("scontrol", "update", f"jobid={job}", f"timelimit={int(minutes) + 1}")

    def be_preempted(self) -> None:
        """Take all nodes for a moment with a job of the partition that may."""
        take = ["sbatch", "--wait", "-p", "urgent", "-N4", "--exclusive", "-t1", "-o", "/dev/null", "--wrap", "sleep 1"]
        self.slurm(*take)


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 420) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(1)


def test_weights_are_bit_for_bit_those_of_the_undisturbed_run(rough: Path) -> None:
    calm = step_dir(rough, "calm") / "shards" / "00000" / "weights.sha256"
    mistreated = step_dir(rough, "rough") / "shards" / "00000" / "weights.sha256"
    assert mistreated.read_text() == calm.read_text()


def test_it_was_mistreated_as_promised(rough: Path) -> None:
    ends = [attempt["end"].get("exit_code") for attempt in attempts(rough, "rough")]
    assert crashes(ends) == KILLS
    assert len(list((rough / "ledger" / "faults").glob("*.fired"))) == KILLS
    assert ends.count(85) >= 2, ends  # the time limit and the preemption
    assert ends[-1] == 0
    assert [attempt["end"]["exit_code"] for attempt in attempts(rough, "calm")] == [0]


WEB_STEPS = ("extract", "filter", "signatures", "buckets", "cluster", "substrings", "urls", "documents", "index")


def test_every_step_of_the_web_stage_killed_gives_the_same_bytes_as_an_undisturbed_local_run(
    testbed: dict[str, str], data_run: Path, tmp_path: Path
) -> None:
    recipe, cluster = tmp_path / "web.yaml", str(write_cluster(tmp_path))
    recipe.write_text(f"targets: [web]\n{DATA}")
    seed = int(os.environ.get("STAGECOACH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    draw = random.Random(seed)
    faults = []
    for step in WEB_STEPS:
        shards = len(list((step_dir(data_run, f"web.{step}") / "shards").iterdir()))
        many = 40 if step in ("extract", "filter", "signatures", "documents") else 1
        faults += ["--fault", f"web.{step}/{draw.randrange(shards)}@{draw.randint(0, many)}:kill"]
    print(f"{faults[1::2]} (STAGECOACH_TEST_SEED={seed})")
    launch("run", str(recipe), "--cluster", cluster, "--name", "rough", "--wait", *faults, runs=tmp_path)
    for step in WEB_STEPS:
        ends = [attempt["end"].get("exit_code") for attempt in attempts(tmp_path / "rough", f"web.{step}")]
        assert crashes(ends) == 1, step
    for job in ("sample", *(f"web.{step}" for step in WEB_STEPS)):
        assert shard_files(tmp_path / "rough", job) == shard_files(data_run, job), job
