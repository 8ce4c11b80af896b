"""Costs of units in the launcher: who is asked, what it learns from which runs, and what stays as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import costs as module
from jobs.costs import MAX_MARKS, MAX_SISTERS, with_unit_costs, write_estimates
from jobs.paths import StepPaths
from jobs.plan.estimates import packed
from jobs.runs import Run
from stages.shared.contract import Cost, InputFile
from stages.shared.files import write_json
from stages.shared.machine import Machine
from tests.jobs import made
from tests.jobs.toy.config import ToyConfig


class Costly(ToyConfig):
    """A toy whose unit 3 is not known, and whose others take ten times their number, and 10 s at least."""

    def costs(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, parts: Mapping[str, int]
    ) -> dict[str, Cost]:
        seconds = {key: 10.0 * max(1, int(key)) * machine.cores for key in "012"}
        return {key: Cost(core_seconds=found, kind="toy", like=key) for key, found in seconds.items()}


def a_run(folder: Path, name: str = "mine") -> Run:
    job = replace(made.job("a.x", 4, cpus=2, units_per_element=2), config=Costly(moods="moods"))
    return made.a_run(folder, made.graph(job, made.job("a.y", 2)), name)


def found(run: Run, job: str = "a.x") -> dict[str, float]:
    return {unit.key: unit.core_seconds for unit in with_unit_costs(run).graph.jobs[job].units.values()}


def step_of(run: Run) -> StepPaths:
    return run.paths.step("a.x", run.graph.jobs["a.x"].fingerprint)


def measure(run: Run, **seconds: Any) -> StepPaths:
    """Write the estimates of a run and the marks of units, which are named `u0`, `u1` ..."""
    write_estimates(run, with_unit_costs(run).graph.jobs["a.x"])
    for key, value in seconds.items():
        write_json(step_of(run).mark(made.unit("a.x", key[1:])), {"unit": key[1:], "seconds": value})
    return step_of(run)


GUESS = {"0": 20.0, "1": 20.0, "2": 40.0, "3": 1.0}


def test_a_stage_knows_the_costs_of_its_units_on_their_machine(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    assert found(run) == GUESS
    after = with_unit_costs(run).graph
    assert after.jobs["a.y"] is run.graph.jobs["a.y"]
    job = after.jobs["a.x"]
    assert [len(element) for element in packed(job, list(job.units))] == [2, 2]
    assert job.roll == run.graph.jobs["a.x"].roll, "costs are part of no identity"


def test_seconds_of_done_units_are_learned_from(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    measure(run, u1=60.0)
    assert found(run) == {"0": 60.0, "1": 60.0, "2": 120.0, "3": 1.0}
    measure(run, u2=10.0)
    assert found(run) == {"0": 32.5, "1": 60.0, "2": 10.0, "3": 1.0}


def test_runs_of_the_same_folder_learn_from_one_another_on_one_cluster(tmp_path: Path) -> None:
    measure(a_run(tmp_path, "sister"), u1=60.0)
    run = a_run(tmp_path)
    assert found(run)["2"] == 120.0
    assert found(replace(run, cluster=made.slurm_cluster(name="elsewhere"))) == GUESS
    assert found(a_run(tmp_path / "another folder")) == GUESS


@pytest.mark.parametrize(
    "text",
    ["", "[1", "[]", "{}", "null", json.dumps({"seconds": "1"}), json.dumps({"seconds": -1}), '{"seconds": 1e999}'],
)
def test_a_damaged_mark_teaches_nothing(tmp_path: Path, text: str) -> None:
    step = measure(a_run(tmp_path, "sister"), u1=60.0)
    step.mark(made.unit("a.x", 1)).write_text(text)
    assert found(a_run(tmp_path)) == GUESS


@pytest.mark.parametrize(
    "units",
    [None, [], {"f": None}, {"f": {"core_seconds": "x", "kind": "toy", "like": "1"}}, {"f": {"core_seconds": 0}}],
)
def test_damaged_estimates_teach_nothing(tmp_path: Path, units: Any) -> None:
    step = measure(a_run(tmp_path, "sister"), u1=60.0)
    value = json.loads(step.estimates.read_text())
    if isinstance(units, dict):
        units = {made.unit("a.x", 1): units["f"]}
    step.estimates.write_text(json.dumps({**value, "units": units}))
    assert found(a_run(tmp_path)) == GUESS


def test_other_users_files_links_and_pipes_teach_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = measure(a_run(tmp_path, "sister"), u1=60.0)
    mark = step.mark(made.unit("a.x", 1))
    mark.rename(tmp_path / "elsewhere.json")
    mark.symlink_to(tmp_path / "elsewhere.json")
    assert found(a_run(tmp_path)) == GUESS
    mark.unlink()
    os.mkfifo(mark)
    assert found(a_run(tmp_path)) == GUESS
    mark.unlink()
    (tmp_path / "elsewhere.json").rename(mark)
    assert found(a_run(tmp_path)) != GUESS
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    assert found(a_run(tmp_path)) == GUESS


def test_only_so_much_is_read_of_other_runs_the_newest_first(tmp_path: Path) -> None:
    for number in range(MAX_SISTERS + 1):
        measure(a_run(tmp_path, f"sister-{number}"), u1=20.0 * (1 + number))
        os.utime(tmp_path / f"sister-{number}", (number, number))
    assert found(a_run(tmp_path))["1"] == 20.0 * 10, "the higher median of factors from 2 to 17"
    run, marks = a_run(tmp_path / "marks", "large"), range(MAX_MARKS + 50)
    step = step_of(run)
    cost = {"core_seconds": 1.0, "kind": "toy", "like": "1"}
    units = {f"{number:04d}": cost for number in marks}
    write_json(step.estimates, {"stage": "toy", "cluster": "there", "units": units})
    step.done.mkdir()
    for number in marks:
        step.mark(f"{number:04d}").write_text(json.dumps({"seconds": 2.0 if number < MAX_MARKS // 2 else 3.0}))
    assert found(a_run(tmp_path / "marks"))["1"] == 60.0, "half of the marks that are read"


def test_estimates_of_units_that_were_there_before_stay_unless_the_cluster_is_another(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    step = measure(run)
    write_json(
        step.estimates,
        {**json.loads(step.estimates.read_text()), "units": {"old": {"core_seconds": 1.0, "kind": "toy", "like": "9"}}},
    )
    measure(run)
    assert set(json.loads(step.estimates.read_text())["units"]) == {"old", *(made.unit("a.x", key) for key in "012")}
    measure(replace(run, cluster=made.slurm_cluster(name="elsewhere")))
    assert "old" not in json.loads(step.estimates.read_text())["units"]
