"""Adjustments of a run while it is in the queue: other resources for its jobs, and holds. Kept in the ledger.

They apply to what is submitted from then on, over the recipe and the cluster file, until `adjust --reset`. Resources
are no part of an identity, so nothing is done again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jobs.paths import RunPaths
from jobs.plan.cluster import Resources
from jobs.plan.graph import Graph
from stages.shared.errors import ConfigError, nearest
from stages.shared.files import read_json, write_json

SETTINGS = ("throttle", "exclude", "partition", "time_min")


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """One call of `adjust`."""

    jobs: tuple[str, ...]
    """The jobs that it is about."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Settings of Resources, by name."""
    hold: bool | None = None
    """Whether the run is held from then on; None: as before."""
    reset: bool = False
    """Whether all earlier adjustments end with this one."""
    by: int = -1
    """User id of who called."""
    when: float = 0.0


def read_adjustments(paths: RunPaths) -> list[Adjustment]:
    """Return the adjustments of a run in force, oldest first. A record that is damaged costs that record."""
    found = [entry for path in sorted(paths.adjustments.glob("*.json")) if (entry := _read(paths, path.name))]
    last = max((place for place, entry in enumerate(found) if entry.reset), default=-1)
    return found[last + 1 :]


def _read(paths: RunPaths, name: str) -> Adjustment | None:
    try:
        record = read_json(paths.adjustments / name)
        entry = Adjustment(**{**record, "jobs": tuple(map(str, record["jobs"]))})
        Resources(**entry.values)
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None
    return entry if entry.values.keys() <= set(SETTINGS) else None


def write_adjustment(paths: RunPaths, entry: Adjustment) -> None:
    """Record an adjustment of this user."""
    when = time.time()
    made = replace(entry, by=os.geteuid(), when=when)
    write_json(paths.adjustments / f"{when:017.6f}.json", asdict(made))


def adjusted(graph: Graph, entries: Sequence[Adjustment]) -> Graph:
    """Return the graph with the resources that the adjustments give its jobs. Pure."""
    jobs = dict(graph.jobs)
    for entry in entries:
        for name in entry.jobs:
            if entry.values and name in jobs:
                resources = Resources(**{**jobs[name].resources.model_dump(), **entry.values})
                jobs[name] = replace(jobs[name], resources=resources)
    return replace(graph, jobs=jobs)


def is_on_hold(entries: Sequence[Adjustment]) -> bool:
    """Return whether the run is held."""
    return next((entry.hold for entry in reversed(entries) if entry.hold is not None), False)


def chosen_jobs(graph: Graph, names: Sequence[str]) -> tuple[str, ...]:
    """Return the jobs of a run that some names mean: jobs or whole sections; without names all jobs.

    Raises ConfigError for a name that is neither.
    """
    for name in names:
        if name not in graph.jobs and name not in {job.section for job in graph.jobs.values()}:
            raise ConfigError("job", name, f"a job or a section of this run; {nearest(name, list(graph.jobs))}")
    return tuple(job.name for job in graph.jobs.values() if not names or {job.name, job.section} & set(names))
