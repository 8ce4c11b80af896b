"""Estimates of a plan: elements of equal cost, the longest chain, jobs that ask for less than they need. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from jobs.plan.graph import Graph, Job

MARGIN = 1.2
"""Factor between a request and the estimate."""
FAR = 2.0
"""Factor over `element_min` from which a unit is divided into parts."""
MAX_PARTS = 1000


def element_hours(job: Job) -> float:
    """Return the estimated hours of the longest array element, lane by lane one after the other."""
    costs = [unit.core_seconds for unit in job.units.values()] or [job.step.core_seconds]
    full = min(element_seconds(job), sum(costs))
    return max(*costs, full / job.resources.lanes(job.step.ranks)) / 3600 / cores(job)


def element_seconds(job: Job) -> float:
    """Return the core-seconds of a full element: those of `units_per_element` average units, or of `element_min`."""
    asked = job.resources
    if asked.units_per_element is None:
        return 60 * asked.element_min * cores(job) * asked.lanes(job.step.ranks)
    mean = fmean(unit.core_seconds for unit in job.units.values()) if job.units else job.step.core_seconds
    return asked.units_per_element * mean


def number_of_parts(core_seconds: float, job: Job) -> int:
    """Return the number of parts of a job's unit that takes so long: those of about `element_min`.

    A unit of up to FAR times as much stays whole, for each part has a start of its own.
    """
    wanted = core_seconds / (60 * job.resources.element_min * cores(job))
    return min(MAX_PARTS, round(wanted)) if wanted > FAR else 1


def packed(job: Job, units: Sequence[str]) -> list[tuple[str, ...]]:
    """Return units as elements of about equal cost. Units keep their order, so an element has few checkpoints.

    A unit goes where it brings the element nearer to `element_seconds`. A unit of a job with one an element is alone.
    """
    if job.resources.units_per_element == 1:
        return [(unit,) for unit in units]
    full, taken = element_seconds(job), 0.0
    elements: list[list[str]] = []
    for unit in units:
        cost = job.units[unit].core_seconds
        if not elements or taken + cost / 2 > full:
            elements.append([])
            taken = 0.0
        elements[-1].append(unit)
        taken += cost
    return [tuple(element) for element in elements]


def cores(job: Job) -> int:
    """Return the cores that a unit keeps busy: a training all of its own, any other step one."""
    return max(1, job.step.ranks * job.resources.cpus) if job.step.shape == "train" else 1


def node_gb(job: Job) -> float:
    """Return the estimated peak memory of one of an element's nodes in GB; 0 if it was not measured."""
    return job.step.mem_mb / 1e3 * job.resources.lanes(job.step.ranks) / job.resources.nodes(job.step.ranks)


def critical_path_hours(graph: Graph, waves: Mapping[str, int]) -> float:
    """Return the estimated hours of the longest chain, given how many waves of elements each job's throttle makes."""
    hours: dict[str, float] = {}
    for name, job in graph.jobs.items():
        hours[name] = waves[name] * element_hours(job) + max((hours[need] for need in job.upstream), default=0.0)
    return max(hours.values(), default=0.0)


def shortfalls(jobs: Iterable[Job]) -> Iterator[str]:
    """Yield a line for each job that is likely to run out of memory or time, with the setting that mends it."""
    for job in jobs:
        asked, step = job.resources, job.step
        needed = node_gb(job)
        if asked.mem_gb and needed > asked.mem_gb:
            yield (
                f"{job.name} needs about {needed:.1f} GB and asks for {asked.mem_gb:g}: "
                f"--set resources.{job.name}.mem_gb={_above(needed)}"
            )
        minutes = element_hours(job) * 60
        if minutes > asked.time_min and not step.resumes:
            fewer = " and fewer units_per_element" if (asked.units_per_element or 1) > 1 else ""
            yield (
                f"{job.name} needs about {minutes:.0f} minutes an element and asks for {asked.time_min}: "
                f"--set resources.{job.name}.time_min={_above(minutes)}{fewer}"
            )


def _above(estimate: float) -> int:
    return int(estimate * MARGIN) + 1
