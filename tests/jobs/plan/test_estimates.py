from dataclasses import replace
from typing import Any

import pytest

from jobs.plan.cluster import Resources
from jobs.plan.estimates import critical_path_hours, element_hours, packed, shortfalls
from jobs.plan.graph import Job, with_costs
from tests.jobs import made


def costly(name: str, core_seconds: float, mem_mb: float = 0.0, needs: tuple[str, ...] = (), **resources: Any) -> Job:
    return with_costs(made.job(name, 8, needs, **resources), core_seconds, mem_mb)


def unlike(costs: list[float], pack: int) -> Job:
    job = made.job("a", len(costs), units_per_element=pack)
    units = {
        name: replace(unit, core_seconds=cost) for (name, unit), cost in zip(job.units.items(), costs, strict=True)
    }
    return replace(job, units=units)


@pytest.mark.parametrize(
    ("costs", "pack", "elements"),
    [
        ([100, 1, 1, 1, 1, 100], 3, [[100, 1, 1], [1, 1, 100]]),
        ([1, 1, 1, 1, 96, 50, 50], 3, [[1, 1, 1, 1, 96], [50, 50]]),
        ([0.1] * 7, 3, [[0.1] * 3, [0.1] * 3, [0.1]]),
        ([9, 1, 2, 9, 1, 2, 9, 1, 2], 3, [[9, 1, 2]] * 3),
        ([0, 0, 0], 2, [[0, 0, 0]]),
        ([1, 1000], 1, [[1], [1000]]),
        ([], 4, []),
    ],
)
def test_elements_have_about_equal_costs(costs: list[float], pack: int, elements: list[list[float]]) -> None:
    job = unlike(costs, pack)
    found = packed(job, list(job.units))
    assert [[job.units[unit].core_seconds for unit in element] for element in found] == elements
    assert [unit for element in found for unit in element] == list(job.units), "each once, in order"


def test_an_element_without_a_number_of_units_is_full_after_its_minutes() -> None:
    def minutes(*costs: float, **resources: Any) -> tuple[list[int], float]:
        job = unlike([60 * cost for cost in costs], 1)
        job = replace(job, resources=Resources(element_min=10, **resources))
        return [len(element) for element in packed(job, list(job.units))], 60 * element_hours(job)

    assert minutes(*[2.0] * 9) == ([5, 4], 10)
    assert minutes(1, 1, 30, 1, 1) == ([2, 1, 2], 30), "a long unit is alone"
    assert minutes(2, 2) == ([2], 4)
    assert minutes(*[5.0] * 8, units_at_once=2) == ([4, 4], 10), "side by side"


def test_an_element_of_unlike_units_takes_the_average_or_its_longest_unit() -> None:
    assert element_hours(unlike([3600, 0, 0, 0], 2)) == pytest.approx(1)
    assert element_hours(unlike([3600, 1800, 1800], 3)) == pytest.approx(2)


def test_the_longest_chain_counts_waves_and_waits_for_all_that_is_needed() -> None:
    jobs = (
        costly("a", 3600),
        costly("b", 7200, needs=("a",)),
        costly("c", 60, needs=("a",)),
        costly("d", 0, needs=("b",)),
    )
    graph = made.graph(*jobs)
    assert critical_path_hours(graph, dict.fromkeys("abcd", 1)) == pytest.approx(3)
    assert critical_path_hours(graph, {"a": 2, "b": 1, "c": 500, "d": 1}) == pytest.approx(2 + 500 / 60)


def test_an_element_works_through_its_units_and_only_training_uses_all_cores() -> None:
    job = costly("a", 3600, units_per_element=4, cpus=2)
    assert element_hours(job) == pytest.approx(4)
    assert element_hours(replace(job, step=replace(job.step, shape="train", ranks=4))) == pytest.approx(0.5)


def test_units_side_by_side_take_less_time_and_more_memory() -> None:
    job = costly("a", 3600, mem_mb=1_000, units_per_element=8, units_at_once=4, cpus=2, mem_gb=3)
    assert element_hours(job) == pytest.approx(2)
    assert next(shortfalls([job])) == "a needs about 4.0 GB and asks for 3: --set resources.a.mem_gb=5"


def test_a_job_that_asks_for_too_little_is_told_what_to_ask_for() -> None:
    lines = list(shortfalls([costly("a.b", 60, mem_mb=10_000, mem_gb=4), costly("a.c", 9000, time_min=100)]))
    assert lines == [
        "a.b needs about 10.0 GB and asks for 4: --set resources.a.b.mem_gb=13",
        "a.c needs about 150 minutes an element and asks for 100: --set resources.a.c.time_min=181",
    ]


def test_enough_is_enough_and_what_resumes_may_meet_its_limit() -> None:
    resuming = replace(costly("t", 1e6), step=replace(costly("t", 1e6).step, resumes=True))
    unlimited = costly("m", 1, mem_mb=1e6, mem_gb=0)
    assert not list(shortfalls([costly("a", 60, mem_mb=3_000, mem_gb=4), resuming, unlimited]))


def test_memory_of_several_nodes_is_asked_of_each() -> None:
    job = costly("t", 1, mem_mb=8_000, ranks_per_node=2, mem_gb=3)
    job = replace(job, step=replace(job.step, ranks=4))
    assert list(shortfalls([job])) == ["t needs about 4.0 GB and asks for 3: --set resources.t.mem_gb=5"]
