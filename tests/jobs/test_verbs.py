"""The verbs on a real run of toys, as a user calls them."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import verbs
from jobs.submit.snapshot import ROOT
from tests.jobs.bench import PATIENCE_S, until
from tests.jobs.fakes import fake
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


def test_a_plan_as_data_is_json_alone_and_warnings_are_elsewhere(toy: Toy) -> None:
    toy.launch("run")
    toy.cluster = {"kind": "slurm", "max_array_size": 2}
    toy.settings = {"paces": 9}
    toy.environment |= {"PATH": "/nowhere", "PYTHONWARNINGS": "always", "COLUMNS": "20"}
    done = toy.launch("plan", "--json")
    assert done.returncode == 0, done.stderr
    assert [job["to_do"] for job in json.loads(done.stdout)["jobs"]] == [0, 1, 1]
    assert "planned without" in done.stderr
    toy.settings = {"paces": "many"}
    refused = toy.launch("plan", "--json")
    assert refused.returncode > 0
    assert refused.stdout == ""
    assert "toy.paces = 'many'" in refused.stderr


def test_a_plan_prints_the_scripts_that_would_be_submitted(toy: Toy) -> None:
    toy.cluster = {"kind": "slurm", "max_array_size": 2, "python": "/opt/python", "sbatch": {"nice": 100}}
    toy.environment["PATH"] = "/nowhere"  # a plan can be made where there is no Slurm
    done = toy.launch("plan", "--sbatch")
    assert done.returncode == 0, done.stderr
    scripts = done.stdout.split("#!/bin/bash\n")[1:]
    assert len(scripts) == 3
    assert "#SBATCH --array=0-1%2\n" in scripts[0]
    assert "--nice=100" in scripts[0]
    assert "#SBATCH --dependency='afterok:<toy.make>:<toy.march>'\n" in scripts[2]
    assert not toy.run.root.exists()


def test_status_logs_and_run_agree_on_a_failure(toy: Toy) -> None:
    toy.mood("make.1", "fail the ink is dry")
    toy.launch("run")
    status = toy.launch("status")
    assert status.returncode == 1
    verdict, _, log = status.stdout.partition("  | ")
    assert verdict.count("the ink is dry") == 1
    assert log.endswith("  |   RuntimeError: the ink is dry\n"), "the last lines of its log"
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
    assert launcher.wait(timeout=PATIENCE_S) == 0
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


def test_output_that_is_gone_is_named_and_made_again_before_its_reader_is(toy: Toy) -> None:
    assert toy.launch("run").returncode == 0
    steps = toy.run.root / "steps"
    gone, lacks, cut = (next((steps / "toy.make").glob(f"*/units/{n}.*")) for n in range(3))
    shutil.rmtree(gone)
    (lacks / "words.txt").unlink()
    (cut / "words.txt").write_text("hell")
    next((steps / "toy.gather").glob("*/done/*.json")).write_text("")
    status = toy.launch("status")
    assert status.returncode == 1
    assert "toy.make/0 and 2 others lost: its output is damaged: its folder is gone" in status.stdout
    assert "toy.gather/all lost: its output is damaged: its completion mark is unreadable" in status.stdout
    reasons = [unit["reason"] for unit in toy.status()["jobs"]["toy.make"]["units"].values()]
    assert [reason.removeprefix("its output is damaged: ") for reason in reasons] == [
        "its folder is gone",
        "words.txt is gone",
        "words.txt has 4 of 8 bytes",
    ]
    done = toy.launch("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert toy.gathered() == "hello 0\nhello 1\nhello 2\n3 paces\n"
    assert toy.calls() == {"make.0": 2, "make.1": 2, "make.2": 2, "march.0": 1, "gather.0": 2}


def test_what_has_changed_without_a_trace_is_found_when_heal_verifies(toy: Toy) -> None:
    assert toy.launch("run").returncode == 0
    (words,) = (toy.run.root / "steps" / "toy.make").glob("*/units/1.*/words.txt")
    words.write_text("HELLO 1\n")
    assert "Nothing to do" in toy.launch("heal").stdout
    done = toy.launch("heal", "--verify")
    assert done.returncode == 0
    assert "toy.make/1: its output is damaged: words.txt has changed" in done.stdout
    assert words.read_text() == "hello 1\n"
    assert "Nothing to do" in toy.launch("heal", "--verify").stdout


def test_a_report_without_a_report_section_is_refused(finished: Toy) -> None:
    done = finished.launch("report")
    assert done.returncode == 2
    assert "a run with a section that has `report`" in done.stderr


def test_a_run_is_found_by_its_folder(finished: Toy) -> None:
    assert replace(finished, name=str(finished.run.root)).status()["finished"]


@pytest.mark.parametrize("format", [None, 2, 4, "3"])
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


def printed_commands(text: str) -> list[str]:
    """Return the launcher's commands in a text, which stand in backticks."""
    return [found for found in re.findall(r"`([^`]+)`", text) if "launch.py" in found]


def as_printed(toy: Toy, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that the launcher printed, from another folder and without variables for its runs."""
    environment = {**toy.variables(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("STAGECOACH_RUNS", None)
    return subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_remedies_work_as_they_are_printed(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> None:
    toy.name = "it's mine"
    toy.mood("make.1", "fail the ink is dry")
    toy.launch("run")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for folder in (toy.home, elsewhere):  # by name where ./runs has it, by its folder elsewhere
        status = as_printed(toy, f"python3 {toy.root}/launch.py status {shlex.quote(str(toy.run.root))}", folder)
        logs, heal = printed_commands(status.stdout)
        read = as_printed(toy, logs, folder)
        assert (read.returncode, "the ink is dry" in read.stdout) == (0, True), read.stderr
    toy.mood("make.1", "")
    healed = as_printed(toy, heal, elsewhere)
    assert (healed.returncode, "it's mine is finished" in healed.stdout) == (0, True), healed.stderr


def test_a_changed_input_is_not_healed_under_its_old_identity(
    toy: Toy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write_tree(toy.home, {"a.words": "", "b.words": "b"})
    toy.settings = {"words": f"{toy.home}/*.words", "text": "hi"}
    toy.mood("make.1", "fail")
    toy.launch("run")
    toy.mood("make.1", "")
    write_tree(toy.home, {"a.words": "full"})
    refused = toy.launch("heal")
    assert refused.returncode == 2
    assert f"{toy.home}/a.words: changed since this run was planned" in refused.stderr
    (run,) = printed_commands(refused.stderr)
    done = as_printed(toy, run, tmp_path_factory.mktemp("elsewhere"))
    assert (done.returncode, "toy is finished" in done.stdout) == (0, True), done.stderr
    assert "full" in toy.gathered()


def test_an_unreadable_record_costs_that_record_and_every_verb_works_on(toy: Toy) -> None:
    toy.mood("make.1", "fail the ink is dry")
    toy.launch("run")
    (end,) = (path for path in (toy.run.attempts / "toy.make").glob("*.1.0.end.json"))
    (submission,) = (toy.run.submissions / "toy.make").glob("*.json")
    for path, text in ((end, "\x00"), (submission, "{")):
        path.write_text(text)
        status = toy.launch("status")
        assert (status.returncode, status.stderr) == (1, "")
        assert path.name in status.stdout.replace("\n", "")
        assert toy.launch("cancel").returncode == 0
    toy.mood("make.1", "")
    healed = toy.launch("heal")
    assert healed.returncode == 0, healed.stderr
    assert toy.calls()["make.0"] == 1


@pytest.mark.parametrize("fault", ["toy.mkae:kill", "toy:kill", "toy.make/9:kill", "toy.make/x@3:fail"])
def test_a_fault_of_what_is_not_there_is_refused_before_anything_runs(toy: Toy, fault: str) -> None:
    done = toy.launch("run", "--fault", fault)
    assert (done.returncode, "--fault = " in done.stderr) == (2, True), done.stderr
    assert not toy.run.root.exists()


def test_the_doctor_says_that_slurm_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sbatch", "srun", "squeue", "scancel", "sinfo"):
        fake(monkeypatch, tmp_path, name, "exit 1")
    fake(monkeypatch, tmp_path, "scontrol", "echo Unable to contact slurm controller >&2; exit 1")
    monkeypatch.setattr("jobs.checks.machine.findings", lambda: [])
    monkeypatch.setattr(verbs.console, "_file", None)
    assert verbs.doctor(argparse.Namespace(cluster="auto", runs=str(tmp_path / "runs"), propose=False, json=False)) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "Unable to contact slurm controller" in said
    assert "All is well" not in said


def test_people_are_called_at_the_end_and_when_a_run_needs_them(toy: Toy) -> None:
    said = toy.home / "said"
    call = ("--command", f"cat >>'{said}'; echo >>'{said}'")
    toy.mood("make.1", "once fail")
    assert toy.launch("run", *call).returncode == 1
    healed = toy.launch("heal", *call)
    assert healed.returncode == 0, healed.stderr
    first, second = said.read_text().splitlines()
    assert first.startswith("Stagecoach, toy: needs you: `") and " status " in first
    assert second == "Stagecoach, toy: nothing is left to do for the launcher"
    broken = toy.launch("heal", "--command", "exit 3")
    assert (broken.returncode, "nobody was called: the command ended with 3" in broken.stderr) == (0, True)
