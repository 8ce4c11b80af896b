"""Costs and parts of units: what corrects an estimate, and how many parts a unit gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from jobs.plan.costs import Measured, chosen_parts, corrected, estimated
from jobs.plan.graph import Job
from stages.shared.contract import Cost, InputFile, Unit
from stages.shared.machine import Machine
from tests.jobs import made
from tests.jobs.toy.config import ToyConfig

HOUR = 3600.0


def cost(seconds: float, like: str, kind: str = "engine") -> Cost:
    return Cost(core_seconds=seconds, kind=kind, like=like)


class Hours(ToyConfig):
    """A toy whose unit n takes n hours; unit 9 is not known."""

    def costs(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, parts: Mapping[str, int]
    ) -> dict[str, Cost]:
        return {key: cost(HOUR * int(key), key) for key in "012345678"}


def hours(*parts: int | None, **resources: Any) -> Job:
    """Return a job whose unit n declares parts[n]."""
    job = replace(made.job("a", len(parts), **resources), config=Hours(moods="moods"))
    units = tuple(Unit(key=str(key), parts=count) for key, count in enumerate(parts))
    return replace(job, step=replace(job.step, units=units))


def chosen(job: Job, known: dict[str, int] | None = None) -> dict[str, int]:
    found = chosen_parts(job, made.slurm_cluster(), known or {})
    return {job.units[folder].key: count for folder, count in found.items()}


def test_a_unit_far_above_an_elements_minutes_gets_parts_of_about_so_many() -> None:
    assert chosen(hours(*[None] * 6, element_min=60)) == {"0": 1, "1": 1, "2": 1, "3": 3, "4": 4, "5": 5}
    assert chosen(hours(*[None] * 3, element_min=20)) == {"0": 1, "1": 3, "2": 6}
    assert chosen(hours(*[None] * 10, element_min=60))["9"] == 1, "nobody knows its cost"


def test_the_recipes_number_of_parts_stays_and_so_does_one_chosen_before() -> None:
    job = hours(None, 2, None, 1, None, element_min=20)
    assert chosen(job) == {"0": 1, "2": 6, "4": 12}
    assert chosen(job, {made.unit("a", 2): 5, made.unit("a", 4): 1, "gone": 7}) == {"0": 1, "2": 5, "4": 1}


def test_an_estimate_is_that_of_the_stage_if_it_has_one() -> None:
    job = hours(1, 1)
    assert estimated(job, made.slurm_cluster(), {})[made.unit("a", 1)].core_seconds == HOUR
    assert estimated(made.job("a", 2), made.slurm_cluster(), {}) == {}


def test_a_measured_work_says_what_it_takes_elsewhere_and_the_kinds_median_what_others_take() -> None:
    costs = {"1/a": cost(10, "a"), "1/b": cost(10, "b"), "1/c": cost(10, "c"), "x/a": cost(10, "a", "endpoint")}
    own = [Measured(cost(1, "a"), 10.0), Measured(cost(1, "b"), 2.0)]
    assert corrected(costs, own, []) == pytest.approx({"1/a": 100, "1/b": 20, "1/c": 60, "x/a": 10})
    assert corrected(costs, [], own) == corrected(costs, own, []), "other runs teach, too"
    assert corrected(costs, [], []) == dict.fromkeys(costs, 10)


def test_what_this_run_has_measured_comes_before_what_others_have() -> None:
    costs = {"a": cost(10, "a"), "b": cost(10, "b"), "c": cost(10, "c")}
    found = corrected(costs, [Measured(cost(1, "a"), 3.0)], [Measured(cost(1, "a"), 9.0), Measured(cost(1, "b"), 9.0)])
    assert found == {"a": 30, "b": 90, "c": 30}


def test_a_unit_that_found_its_answers_made_teaches_nothing() -> None:
    past = [Measured(cost(10, "a"), 30.0), Measured(cost(10, "a"), 0.1)]
    assert corrected({"new": cost(20, "a")}, past, []) == {"new": 60}
