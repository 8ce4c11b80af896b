"""Nightly evaluation on the testbed: a matrix survives what befalls its array, grows by its new cells alone, and a
damaged checkpoint rings the bell once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from envs.testbed import control
from stages.formats.alarms import MEAN, read_alarm
from stages.formats.attempts import StartRecord
from stages.formats.kinds import KINDS
from tests.jobs.bench import until
from tests.journeys.cluster import exit_codes, write_cluster
from tests.journeys.matrix import CALM, DAMAGED, GUESSED, ITEMS, LEARNED, Matrix, done_by
from tests.launching import attempts, launch, unit_files

ON_NODES = {"partition": "preempt", "cpus": 8}
"""An element has a node to itself."""
MINUTES = 0.6
"""Of an element, for three of them: the six cells of a checkpoint, each estimated at the six seconds of a start."""


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    made = Matrix(tmp_path_factory.mktemp("a matrix"))
    made.train_to(3)
    return made


@pytest.fixture(scope="module")
def clean(matrix: Matrix) -> Path:
    """Evaluate three checkpoints on six tasks on this machine, undisturbed; return the run's folder."""
    local = matrix.home / "local.yaml"
    local.write_text(yaml.safe_dump({"kind": "local", "cores": 1}))
    recipe = matrix.write_recipe(units_per_element=18)
    launch("run", str(recipe), "--cluster", str(local), "--name", "clean", runs=matrix.home)
    return matrix.home / "clean"


@pytest.fixture(scope="module")
def rough(matrix: Matrix, clean: Path, testbed: dict[str, str]) -> Path:
    """Evaluate the same on the testbed: one element is killed, one preempted, and one loses its node."""
    (matrix.gate / "arrived").unlink()
    (matrix.gate / "shut").touch()
    run = matrix.home / "matrix"
    launch("run", *words(matrix, element_min=MINUTES), runs=matrix.home)
    until(lambda: matrix.arrived() == 3, "every element is at work")
    killed, preempted, stranded = (start for attempt in attempts(run, "evaluate") if (start := attempt.start))
    os.kill(killed.pid, signal.SIGKILL)
    slurm(testbed, "sbatch", "-p", "urgent", "-w", preempted.node, "-n8", "-o", "/dev/null", "--wrap", "true")
    slurm(testbed, "scontrol", "update", f"nodename={stranded.node}", "state=down", "reason=a test")

    def each_starts_again() -> bool:
        control.up()  # the node comes back, also after Slurm has drained it for a process that was still there
        return restarts(run, preempted, stranded, killed)

    until(each_starts_again, "each of them starts again")
    (matrix.gate / "shut").unlink()
    launch("heal", "matrix", "--wait", runs=matrix.home)
    return run


def words(matrix: Matrix, **resources: float) -> list[str]:
    """Return the words that name the recipe, the cluster and the run."""
    recipe, cluster = matrix.write_recipe(**{**ON_NODES, **resources}), write_cluster(matrix.home)
    return [str(recipe), "--cluster", str(cluster), "--name", "matrix"]


def slurm(testbed: dict[str, str], *command: str) -> None:
    subprocess.run(command, env={**os.environ, **testbed}, check=True, capture_output=True, timeout=300)


def restarts(run: Path, *starts: StartRecord) -> bool:
    """Return whether a second attempt of each element has begun."""
    again = {attempt.start.units for attempt in attempts(run, "evaluate") if attempt.start and attempt.name.restart}
    return again >= {start.units for start in starts}


def planned(matrix: Matrix, tasks: tuple[str, ...] = (*LEARNED, *GUESSED), name: str = "matrix") -> dict[str, Any]:
    """Return what `plan` says of the cells."""
    recipe = matrix.write_recipe(tasks, **ON_NODES)
    cluster = str(write_cluster(matrix.home))
    done = launch("plan", str(recipe), "--cluster", cluster, "--name", name, "--json", runs=matrix.home)
    return {job["job"]: dict(job) for job in json.loads(done.stdout)["jobs"]}["evaluate"]


def to_do(matrix: Matrix, tasks: tuple[str, ...] = (*LEARNED, *GUESSED)) -> int:
    """Return how many cells `plan` wants to evaluate."""
    return int(planned(matrix, tasks)["to_do"])


def test_a_matrix_that_was_mistreated_is_that_of_an_undisturbed_run(rough: Path, clean: Path) -> None:
    results = unit_files(clean, "evaluate")
    assert len(results) == 2 * 18, "results and samples of each cell"
    assert unit_files(rough, "evaluate") == results
    assert unit_files(rough, "evaluate.alarm") == unit_files(clean, "evaluate.alarm")


def test_cells_share_starts_and_none_is_evaluated_twice(rough: Path, matrix: Matrix) -> None:
    tries = attempts(rough, "evaluate")
    cells = [len(attempt.start.units) for attempt in tries if attempt.start]
    made = Counter(attempt.rpartition(".")[2] for _, attempt in done_by(rough))
    shown = launch("status", "matrix", runs=matrix.home).stdout
    assert f"3 elements, {len(tries)} starts" in shown
    print(f"cells an element {cells[:3]}, starts {len(tries)}, cells by restart {dict(made)}")
    assert cells == [6] * 6, "three elements, each started twice"
    assert len({attempt.name.key for attempt in tries}) == 1, "one array"
    assert made.total() == 18
    assert made["0"] >= 3, "what was done before stays"
    assert exit_codes(tries).count(0) == 3


def test_without_a_word_in_the_recipe_small_cells_share_one_start(matrix: Matrix, testbed: dict[str, str]) -> None:
    line = planned(matrix, name="another")
    assert (line["units"], line["elements"], line["most_units"]) == (18, 1, 18)


def test_a_matrix_grows_by_its_new_cells_alone(rough: Path, matrix: Matrix) -> None:
    assert "Nothing to do" in launch("run", *words(matrix), runs=matrix.home).stdout
    assert to_do(matrix) == 0
    matrix.define("herbs")
    assert to_do(matrix, (*LEARNED, *GUESSED, "herbs")) == 3
    matrix.define("dice", ITEMS + 1)
    assert to_do(matrix) == 3
    matrix.define("dice")
    assert to_do(matrix) == 0
    matrix.train_to(4)
    assert to_do(matrix) == 6


def test_a_damaged_checkpoint_rings_once_and_a_calm_training_never(rough: Path, matrix: Matrix) -> None:
    rung = matrix.home / "rung"

    def night() -> int:
        bell = ("--once", "--command", f"cat >>'{rung}'")
        return launch("nightly", *words(matrix), *bell, runs=matrix.home, check=None).returncode

    matrix.train_to(max(CALM))
    assert night() == 0
    assert not rung.exists()
    matrix.train_to(DAMAGED)
    assert night() == 3
    message = rung.read_text()
    assert message.startswith("Stagecoach, matrix: alarm: step-6 lost on ")
    assert night() == 3
    assert rung.read_text() == message, "the bell rings once"
    newest = max((rough / "steps" / "evaluate.alarm").glob(f"*/units/*/{KINDS.alarm.file}"), key=os.path.getmtime)
    report = read_alarm(newest)
    assert [each.state for each in report.nights] == ["early"] * 3 + ["calm"] * 2 + ["alarm"]
    last = report.nights[-1]
    assert {drop.task for drop in last.drops} == {*LEARNED, MEAN}
    assert all(task in message for task in LEARNED)
    assert not any(task in message for task in GUESSED)
    assert set(report.flipped) == set(LEARNED)
    assert all(report.flipped.values())
