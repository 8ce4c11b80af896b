"""Killed anywhere, any number of times, a run ends with the same bytes as one that was never touched. On a real Slurm."""

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

STEPS = 700
KILLS = 5


@pytest.fixture(scope="module")
def rough(testbed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the same training twice, undisturbed and mistreated; return the folder of the run.

    Mistreated: five kill -9 at random steps, requeued by Slurm at its time limit of a minute as often as that comes
    about, and preempted once by a job of a partition that takes its nodes away.
    """
    runs = tmp_path_factory.mktemp("exact")
    recipe, cluster = runs / "exact.yaml", str(write_cluster(runs))
    common = f"{PRETRAIN}  steps: {STEPS}\n  checkpoint_every: 20\n"
    limits = "resources:\n  rough: {partition: preempt, time_min: 1, max_stalls: 5}\n"
    recipe.write_text(f"targets: [calm, rough]\n{limits}{DATA}calm:\n{common}rough:\n{common}")
    launch("run", str(recipe), "--cluster", cluster, "--set", "targets=[calm]", "--name", "exact", "--wait", runs=runs)
    seed = int(os.environ.get("STAGECOACH_TEST_SEED", random.SystemRandom().randrange(10**6)))
    kills = sorted(random.Random(seed).sample(range(5, STEPS // 2), KILLS))
    print(f"kill -9 at steps {kills} (STAGECOACH_TEST_SEED={seed})")
    faults = [word for step in kills for word in ("--fault", f"rough@{step}:kill")]
    launch("run", str(recipe), "--cluster", cluster, "--name", "exact", *faults, runs=runs)
    run = runs / "exact"
    wait_for(lambda: running_past(run, testbed, kills[-1]), 420, "training past the last kill")
    preempt(testbed)
    wait_for(lambda: launch("status", "exact", runs=runs, check=None).stdout.endswith("finished.\n"), 420, "the end")
    return run


def wait_for(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s:.0f} s for {what}"
        time.sleep(1)


def running_past(run: Path, testbed: dict[str, str], step: int) -> bool:
    """Whether rough has survived its kills, has made progress since, and runs at this moment."""
    tries = attempts(run, "rough")
    if sum(attempt["end"].get("exit_code") == 137 for attempt in tries) < KILLS or tries[-1]["end"]:
        return False
    progress = run / "ledger" / "attempts" / "rough"
    last = tries[-1]
    path = progress / f"{last['key']}.{last['element']}.{last['restart']}.progress.json"
    return path.exists() and int(path.read_text().split(":")[1].strip(" }\n")) > step


def preempt(testbed: dict[str, str]) -> None:
    """Take all nodes for a moment with a job of the partition that may."""
    env = {**os.environ, **testbed}
    urgent = ["sbatch", "--wait", "-p", "urgent", "-N4", "--exclusive", "-t1", "-o", "/dev/null", "--wrap", "sleep 1"]
    subprocess.run(urgent, env=env, check=True, capture_output=True, timeout=180)


def test_weights_are_bit_for_bit_those_of_the_undisturbed_run(rough: Path) -> None:
    calm = step_dir(rough, "calm") / "shards" / "00000" / "weights.sha256"
    mistreated = step_dir(rough, "rough") / "shards" / "00000" / "weights.sha256"
    assert mistreated.read_text() == calm.read_text()


def test_it_was_mistreated_as_promised(rough: Path) -> None:
    ends = [attempt["end"] for attempt in attempts(rough, "rough")]
    assert sum(end.get("exit_code") == 137 for end in ends) == KILLS
    saved = [
        attempt["result"].get("signal") for attempt in attempts(rough, "rough") if attempt["end"].get("exit_code") == 85
    ]
    assert len(saved) >= 2, saved  # the time limit and the preemption
    assert attempts(rough, "calm")[0]["end"]["exit_code"] == 0


def test_a_web_shard_killed_midway_gives_the_same_bytes(testbed: dict[str, str], tmp_path: Path) -> None:
    recipe, cluster = tmp_path / "web.yaml", str(write_cluster(tmp_path))
    recipe.write_text(f"targets: [web]\n{DATA}")
    launch("run", str(recipe), "--cluster", "local", "--name", "calm", runs=tmp_path)
    faults = ("--fault", "web.filter/1@40:kill", "--fault", "web.documents/0:kill")
    launch("run", str(recipe), "--cluster", cluster, "--name", "rough", "--wait", *faults, runs=tmp_path)
    codes = [attempt["end"]["exit_code"] for attempt in attempts(tmp_path / "rough", "web.filter")]
    assert codes.count(137) == 1
    for job in ("sample", "web.filter", "web.signatures", "web.buckets", "web.cluster", "web.documents"):
        assert shard_files(tmp_path / "rough", job) == shard_files(tmp_path / "calm", job), job
