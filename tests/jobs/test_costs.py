"""Costs of units in the launcher: who is asked, what it learns from marks, and what stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from jobs.costs import with_unit_costs
from jobs.plan.estimates import packed
from jobs.runs import Run
from stages.shared.contract import InputFile
from stages.shared.files import write_json
from stages.shared.machine import Machine
from tests.jobs import made
from tests.jobs.toy.config import ToyConfig


class Costly(ToyConfig):
    """A toy whose unit 3 is not known, and whose others take ten times their number, or what was measured."""

    def costs(
        self,
        step: str,
        inputs: Mapping[str, tuple[InputFile, ...]],
        machine: Machine,
        seconds: Mapping[str, float],
    ) -> dict[str, float]:
        return {key: 10.0 * int(key) * machine.cores for key in "012"} | dict(seconds)


def a_run(folder: Path) -> Run:
    job = replace(made.job("a.x", 4, cpus=2, units_per_element=2), config=Costly(moods="moods"))
    return made.a_run(folder, made.graph(job, made.job("a.y", 2)))


def costs(run: Run, job: str) -> dict[str, float]:
    return {unit.key: unit.core_seconds for unit in run.graph.jobs[job].units.values()}


def test_a_stage_knows_the_costs_of_its_units_on_their_machine(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    found = with_unit_costs(run)
    assert costs(found, "a.x") == {"0": 0.0, "1": 20.0, "2": 40.0, "3": 1.0}
    assert found.graph.jobs["a.y"] is run.graph.jobs["a.y"]
    job = found.graph.jobs["a.x"]
    assert [len(element) for element in packed(job, list(job.units))] == [2, 1, 1]
    assert job.roll == run.graph.jobs["a.x"].roll, "costs are part of no identity"


def test_seconds_of_done_units_are_learned_from_and_an_unreadable_mark_costs_itself(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    step = run.paths.step("a.x", run.graph.jobs["a.x"].fingerprint)
    write_json(step.mark(made.unit("a.x", 1)), {"unit": "1", "seconds": 7.5})
    write_json(step.mark(made.unit("a.x", 2)), {"unit": "2"})
    step.mark(made.unit("a.x", 0)).write_text("[1")
    write_json(step.mark("of-earlier-settings"), {"unit": "0", "seconds": 99.0})
    assert costs(with_unit_costs(run), "a.x") == {"0": 0.0, "1": 7.5, "2": 40.0, "3": 1.0}
