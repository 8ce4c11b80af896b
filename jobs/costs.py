"""Costs of a run's units, from their stages and from what done units took: elements of equal cost are cut by them."""

from __future__ import annotations

from dataclasses import replace

from jobs.marks import seconds_by_key
from jobs.plan.graph import Job
from jobs.runs import Run
from stages.shared.contract import StageConfig


def with_unit_costs(run: Run) -> Run:
    """Return the run with the costs of units that their stages know: StageConfig.costs. Identities stay."""
    jobs = {name: _costly(run, job) if _knows(job) else job for name, job in run.graph.jobs.items()}
    return replace(run, graph=replace(run.graph, jobs=jobs))


def _knows(job: Job) -> bool:
    """Return whether a stage knows costs: the marks of other stages, perhaps 100,000, are not worth reading."""
    return type(job.config).costs is not StageConfig.costs


def _costly(run: Run, job: Job) -> Job:
    step = run.paths.step(job.name, job.fingerprint)
    seconds = seconds_by_key(step, step.marked_units() & job.units.keys())
    costs = job.config.costs(job.step.name, job.inputs, run.cluster.machine(job.resources), seconds)
    units = {
        name: replace(unit, core_seconds=costs.get(unit.key, unit.core_seconds)) for name, unit in job.units.items()
    }
    return replace(job, units=units)
