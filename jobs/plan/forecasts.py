"""Forecasts by the stages: time and memory of a job on its machine, and refusal of what cannot work there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from jobs.plan.cluster import Cluster
from jobs.plan.estimates import cores
from jobs.plan.graph import Graph, Job, with_costs
from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError


def forecasts(jobs: Iterable[Job], cluster: Cluster, done: Mapping[str, int] | None = None) -> dict[str, Forecast]:
    """Return the forecasts of those jobs that have one, by job. `done` is the progress of jobs that began.

    Raises ConfigError if a job cannot work on its machine.
    """
    found: dict[str, Forecast] = {}
    for job in jobs:
        try:
            machine, begun = cluster.machine(job.resources), (done or {}).get(job.name, 0)
            forecast = job.config.forecast(job.step.name, job.inputs, machine, begun)
        except ConfigError as error:
            raise error.within(job.section) from None
        if forecast is not None:
            found[job.name] = forecast
    return found


def with_forecasts(graph: Graph, found: Mapping[str, Forecast]) -> Graph:
    """Return the graph with forecasts in place of the steps' own estimates."""

    def better(job: Job, forecast: Forecast) -> Job:
        return with_costs(job, 3600 * forecast.hours * cores(job), forecast.mem_mb)

    jobs = {name: better(job, found[name]) if name in found else job for name, job in graph.jobs.items()}
    return replace(graph, jobs=jobs)
