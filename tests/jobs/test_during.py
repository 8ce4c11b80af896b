"""Outputs that appear while a step runs, with real processes: a march's milestones, and a service's address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from jobs.plan.graph import Job
from jobs.runs import Run, open_run
from stages.formats.attempts import Attempt, read_attempts
from stages.formats.kinds import KINDS
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.toy_stage import Toy


def read(toy: Toy) -> dict[str, str]:
    """Return what each unit of the reader wrote, by the first part of its folder's name."""
    files = sorted((toy.run.root / "steps" / "reader.read").glob("*/units/*/read.txt"))
    return {file.parent.name.rpartition(".")[0]: file.read_text(encoding="utf-8") for file in files}


def folders(toy: Toy) -> set[str]:
    """Return the folders of the reader's units."""
    return {path.name for path in (toy.run.root / "steps" / "reader.read").glob("*/units/*")}


@pytest.fixture
def marching(toy: Toy) -> Toy:
    """Return a march of which the reader reads two milestones."""
    toy.settings = {"paces": 6, "milestones": [2, 4], "units": 1}
    toy.recipe = {"reader": {"steps": "from:toy", "moods": str(toy.moods)}}
    return toy


def test_milestones_are_read_while_the_march_goes_on(marching: Toy) -> None:
    marching.mood("march.0", "rest 4")
    launcher = marching.begin("run")
    until(lambda: len(read(marching)) == 2, "both milestones are read")
    assert marching.paces() == 4, "it is still on its way"
    marching.mood("march.0", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert read(marching) == {"pace-2": "2 paces\n", "pace-4": "4 paces\n"}
    assert "Nothing to do" in marching.launch("run").stdout
    assert marching.calls() == {"make.0": 1, "march.0": 1, "gather.0": 1, "read.0": 1, "read.1": 1}


def test_a_kill_of_the_march_disturbs_no_reader(marching: Toy) -> None:
    marching.mood("march.0", "rest 5")
    launcher = marching.begin("run", "--fault", "toy.march@3:kill", "--fault", "toy.march@4:kill")
    until(lambda: len(read(marching)) == 2, "both milestones are read")
    marching.mood("march.0", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert read(marching) == {"pace-2": "2 paces\n", "pace-4": "4 paces\n"}
    assert marching.calls() == {"make.0": 1, "march.0": 3, "gather.0": 1, "read.0": 1, "read.1": 1}


def test_identities_of_readers_are_those_of_an_undisturbed_run(marching: Toy, tmp_path: Path) -> None:
    assert marching.launch("run", "--fault", "toy.march@4:kill").returncode == 0
    first = folders(marching)
    calm = Toy(marching.root, tmp_path / "calm", settings=dict(marching.settings))
    calm.recipe = {"reader": {"steps": "from:toy", "moods": str(calm.moods)}}
    assert calm.launch("run").returncode == 0
    assert folders(calm) == first
    assert read(calm) == read(marching)


def test_one_more_milestone_is_read_alone(marching: Toy) -> None:
    marching.recipe["targets"] = ["reader"]
    marching.launch("run")
    marching.settings["milestones"] = [2, 3, 4]
    assert marching.launch("run").returncode == 0
    assert read(marching)["pace-3"] == "3 paces\n"
    # The milestones are a setting of the march: it ran again, at another identity, and so did who read it.
    assert marching.calls()["march.0"] == 2


def test_a_failed_march_leaves_its_milestones_to_readers(marching: Toy) -> None:
    done = marching.launch("run", "--fault", "toy.march@3:never")
    assert done.returncode == 1
    assert read(marching) == {"pace-2": "2 paces\n"}
    assert marching.states("reader.read") == {"done": 1, "missing": 1}
    assert marching.launch("heal").returncode == 0
    assert read(marching) == {"pace-2": "2 paces\n", "pace-4": "4 paces\n"}
    assert marching.calls()["read.0"] == 1


@pytest.fixture
def serving(toy: Toy) -> Toy:
    """Return a service that two units ask."""
    toy.recipe = {
        "targets": ["reader"],
        "echo": {},
        "reader": {"endpoint": "from:echo", "moods": str(toy.moods)},
    }
    toy.moods.mkdir(parents=True)
    return toy


def opened(toy: Toy) -> tuple[Run, Job]:
    """Return the run and its service."""
    run = open_run([toy.home / "runs"], toy.name)
    return run, run.graph.jobs["echo"]


def attempts(toy: Toy) -> list[Attempt]:
    """Return the attempts of the service."""
    return read_attempts(toy.run.attempts, ["echo"])


def address(toy: Toy) -> Path | None:
    """Return the file with the service's address, if it is there."""
    return next((toy.run.root / "steps" / "echo").glob(f"*/published/*/{KINDS.endpoint.file}"), None)


def is_at_work(toy: Toy) -> bool:
    """Return whether a process of the run lives."""
    found = subprocess.run(["pgrep", "-f", str(toy.run.root)], capture_output=True, check=False)
    return found.returncode == 0


ANSWERS = {f"asker-{number}": f"you said /asker-{number}/0\n" for number in (0, 1)}


def test_readers_start_when_the_address_is_there_and_the_service_is_stopped_after_them(serving: Toy) -> None:
    done = serving.launch("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert read(serving) == ANSWERS
    assert "echo: no longer needed; stopping it" in done.stdout
    assert (len(attempts(serving)), address(serving), is_at_work(serving)) == (1, None, False)
    status = serving.status()
    assert status["finished"]
    assert status["jobs"]["echo"]["counts"] == {"done": 1}
    again = serving.launch("run")
    assert "Nothing to do" in again.stdout
    assert len(attempts(serving)) == 1


def test_a_service_is_started_again_for_a_new_reader_alone(serving: Toy) -> None:
    serving.launch("run")
    serving.recipe["reader"]["askers"] = 3
    assert serving.launch("run").returncode == 0
    assert read(serving)["asker-2"] == "you said /asker-2/0\n"
    assert serving.calls() == {"read.0": 1, "read.1": 1, "read.2": 1}
    assert len(attempts(serving)) == 2


@pytest.mark.parametrize("how", [signal.SIGUSR2, signal.SIGKILL])
def test_a_service_that_is_requeued_or_killed_comes_back_and_its_readers_go_on(
    serving: Toy, how: signal.Signals
) -> None:
    serving.recipe["reader"].update(askers=1, asks=8)
    serving.mood("read.0", "wait")
    launcher = serving.begin("run")
    until(lambda: "read.0" in serving.calls(), "the reader asks")
    (first,) = attempts(serving)
    assert first.start is not None
    os.kill(first.start.pid, how)
    until(lambda: len(attempts(serving)) == 2, "it comes back")
    serving.mood("read.0", "")
    assert launcher.wait(timeout=PATIENCE_S) == 0
    assert read(serving) == {"asker-0": "".join(f"you said /asker-0/{n}\n" for n in range(8))}
    assert serving.calls() == {"read.0": 1}, "the reader was never disturbed"
    assert [attempt.name.restart for attempt in attempts(serving)] == [0, 1]
    assert not is_at_work(serving)


def test_a_cancelled_service_goes_with_its_readers_and_run_starts_both_again(serving: Toy) -> None:
    serving.recipe["reader"].update(askers=1, asks=100)
    serving.mood("read.0", "wait")
    launcher = serving.begin("run")
    until(lambda: "read.0" in serving.calls(), "the reader asks")
    assert "2 units of toy cancelled" in serving.launch("cancel").stdout
    assert launcher.wait(timeout=PATIENCE_S) == 1
    assert not is_at_work(serving)
    assert serving.states("echo") == serving.states("reader.read") == {"cancelled": 1}
    assert address(serving) is None
    serving.mood("read.0", "")
    assert serving.launch("run").returncode == 0
    assert len(read(serving)["asker-0"].splitlines()) == 100


def test_a_service_whose_readers_have_failed_is_stopped_and_not_started_again(serving: Toy) -> None:
    done = serving.launch("run", "--fault", "reader.read/asker-0:never", "--fault", "reader.read/asker-1:fail")
    assert done.returncode == 1
    assert not is_at_work(serving)
    assert serving.states("reader.read") == {"failed": 2}
    assert serving.launch("run").returncode == 1
    assert len(attempts(serving)) == 1, "nobody would read from it"
    assert serving.launch("heal").returncode == 0
    assert read(serving) == ANSWERS


def test_an_address_that_a_killed_service_left_behind_is_nobodys_input(serving: Toy) -> None:
    serving.recipe["reader"].update(askers=1, asks=100)
    serving.mood("read.0", "wait")
    launcher = serving.begin("run")
    until(lambda: "read.0" in serving.calls(), "the reader asks")
    launcher.kill()
    found = subprocess.run(["pgrep", "-f", str(serving.run.root)], capture_output=True, text=True, check=True)
    for pid in found.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    launcher.wait()
    until(lambda: not is_at_work(serving), "all are gone")
    left = address(serving)
    assert left is not None
    old = json.loads(left.read_text(encoding="utf-8"))
    serving.recipe["reader"].update(asks=1)
    serving.mood("read.0", "")
    assert serving.launch("run").returncode == 0
    assert read(serving)["asker-0"] == ANSWERS["asker-0"]
    assert old and address(serving) is None


def test_a_service_without_readers_runs_until_it_is_cancelled(serving: Toy) -> None:
    serving.recipe["targets"] = ["echo"]
    launcher = serving.begin("run")
    until(lambda: address(serving) is not None, "it serves")
    assert serving.states("echo") == {"running": 1}
    assert "1 unit of toy cancelled" in serving.launch("cancel").stdout
    assert launcher.wait(timeout=PATIENCE_S) == 1
    assert not is_at_work(serving)
