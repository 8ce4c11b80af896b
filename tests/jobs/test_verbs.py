"""The verbs on a real run of toys, as a user calls them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import verbs
from jobs.submit.snapshot import ROOT
from tests.jobs.bench import until
from tests.jobs.made import write_tree
from tests.jobs.toy_stage import Toy


def test_a_plan_shows_everything_and_touches_nothing(toy: Toy) -> None:
    toy.recipe = {"about": "Toys, gathered.", "resources": {"toy.make": {"time_min": 90, "cpus": 2}}}
    done = toy.launch("plan")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "Toys, gathered." in lines[0]
    assert str(toy.run.root) in lines[1]
    make = next(line for line in lines if "make" in line)
    assert "2 cores" in make
    assert "1.5 h" in make
    assert "after toy.make, toy.march" in next(line for line in lines[2:] if "gather" in line)
    assert "3 jobs: 5 elements" in done.stdout
    assert not toy.run.root.exists()


def test_a_plan_is_data_too(toy: Toy) -> None:
    done = toy.launch("plan", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert [job["job"] for job in data["jobs"]] == ["toy.make", "toy.march", "toy.gather"]
    assert data["forecasts"] == {}
    assert not toy.run.root.exists()


def test_a_plan_prints_the_scripts_that_would_be_submitted(toy: Toy) -> None:
    toy.cluster = {"kind": "slurm", "max_array_size": 2, "python": "/opt/python", "sbatch": {"reservation": "llm"}}
    toy.environment["PATH"] = "/nowhere"  # a plan can be made where there is no Slurm
    done = toy.launch("plan", "--sbatch")
    assert done.returncode == 0, done.stderr
    scripts = done.stdout.split("#!/bin/bash\n")[1:]
    assert len(scripts) == 3
    assert "#SBATCH --array=0-1%2\n" in scripts[0]
    assert "--reservation=llm" in scripts[0]
    assert "#SBATCH --dependency='afterok:<toy.make>:<toy.march>'\n" in scripts[2]
    assert not toy.run.root.exists()


def test_status_logs_and_run_agree_on_a_failure(toy: Toy) -> None:
    toy.mood("make.1", "fail the ink is dry")
    toy.launch("run")
    status = toy.launch("status")
    assert status.returncode == 1
    assert status.stdout.count("the ink is dry") == 1
    data = toy.status()
    assert data["jobs"]["toy.make"]["counts"] == {"done": 2, "failed": 1}
    assert data["jobs"]["toy.make"]["units"]["1"]["reason"] == "RuntimeError: the ink is dry"
    assert data["jobs"]["toy.gather"]["counts"] == {"missing": 1}
    log = toy.launch("logs", "toy.make/1").stdout
    assert "RuntimeError: the ink is dry" in log
    assert "Traceback" in log
    assert "toy.make/0: done" in toy.launch("logs", "toy.make/0").stdout
    assert toy.launch("logs", "toy.gather").returncode == 1
    for job, said in (("toy.mkae", "one of toy.make"), ("toy.make/3", "0 to 2"), ("toy.make/x", "0 to 2")):
        wrong = toy.launch("logs", job)
        assert (wrong.returncode, said in wrong.stderr) == (2, True), wrong.stderr


def test_watching_a_run_ends_with_it(toy: Toy) -> None:
    toy.settings = {"paces": 20, "pause_s": 0.1}
    launcher = toy.begin("run")
    until(lambda: toy.calls()["make.0"], "it has begun")
    watched = toy.launch("status", "--watch", "--json")
    assert watched.returncode == 0
    assert launcher.wait(timeout=60) == 0
    last = watched.stdout[watched.stdout.rindex('{\n "run"') :]
    assert json.loads(last)["finished"]


@pytest.fixture(scope="module")
def finished(code_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    toy = Toy(code_root, tmp_path_factory.mktemp("finished"))
    assert toy.launch("run").returncode == 0
    return toy


def test_cancelling_what_is_finished_changes_nothing(finished: Toy) -> None:
    done = finished.launch("cancel")
    assert (done.returncode, "nothing of toy is queued or running" in done.stdout) == (0, True)
    assert finished.status()["finished"]


def test_a_report_without_a_report_section_is_refused(finished: Toy) -> None:
    done = finished.launch("report")
    assert done.returncode == 2
    assert "a run with a section that has `report`" in done.stderr


def test_a_run_is_found_by_its_folder(finished: Toy) -> None:
    assert replace(finished, name=str(finished.run.root)).status()["finished"]


@pytest.mark.parametrize("format", [None, 1, 3, "2"])
@pytest.mark.parametrize("verb", ["plan", "run", "status", "logs", "heal", "cancel", "report", "tune"])
def test_a_run_of_another_version_is_refused_by_every_verb_and_stays_as_it_is(
    toy: Toy, verb: str, format: int | str | None
) -> None:
    record: dict[str, Any] = {"name": "toy", "recipe": {}, **({} if format is None else {"format": format})}
    write_tree(toy.run.root, {"run.json": json.dumps(record), "steps/toy.make/0123456789ab/job.json": "{}"})
    done = toy.launch(verb, *(["toy.make"] if verb == "logs" else []))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "run.json: format = " in line and "another version of Stagecoach made this run" in line
    assert {path.name for path in toy.run.root.iterdir()} == {"run.json", "steps"}
    assert json.loads(toy.run.run_json.read_text(encoding="utf-8")) == record


def test_the_checks_of_ci_run_in_a_process_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[list[str], Path]] = []

    def note(command: list[str], cwd: Path, check: bool) -> subprocess.CompletedProcess[str]:
        called.append((command, cwd))
        return subprocess.CompletedProcess(command, 7)

    monkeypatch.setattr(subprocess, "run", note)
    assert verbs.test(argparse.Namespace(pytest=[])) == 7
    assert verbs.test(argparse.Namespace(pytest=["tests/jobs", "-x"])) == 7
    assert called == [
        ([sys.executable, "-m", "tests"], ROOT),
        ([sys.executable, "-m", "pytest", "tests/jobs", "-x"], ROOT),
    ]
