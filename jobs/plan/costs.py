"""Costs of units: the stages' estimates, the parts that they ask for, and their correction by measured units.

Costs are part of no identity. Parts are neither, but those of a unit under way are lost with another number of parts:
the number follows from the estimate alone, never from measurements, and the run's record keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median, median_high
from typing import NamedTuple

from jobs.plan.cluster import Cluster
from jobs.plan.estimates import number_of_parts
from jobs.plan.graph import Job, knows_costs
from stages.shared.contract import Cost


class Measured(NamedTuple):
    """A done unit: its estimate, and the seconds that it took."""

    cost: Cost
    seconds: float


def estimated(job: Job, cluster: Cluster, parts: Mapping[str, int]) -> dict[str, Cost]:
    """Return the stage's costs of a job's units, by folder. `parts` is as in StageConfig.costs."""
    if not knows_costs(job.config):
        return {}
    found = job.config.costs(job.step.name, job.inputs, cluster.machine(job.resources), parts)
    return {folder: found[unit.key] for folder, unit in job.units.items() if unit.key in found}


def chosen_parts(job: Job, cluster: Cluster, known: Mapping[str, int]) -> dict[str, int]:
    """Return the number of parts, by folder, of the units that leave it to the launcher.

    `known` holds what was chosen before: it stays.
    """
    free = [folder for unit, folder in zip(job.step.units, job.units, strict=True) if unit.parts is None]
    costs = estimated(job, cluster, {}) if any(folder not in known for folder in free) else {}
    new = {folder: number_of_parts(costs[folder].core_seconds, job) if folder in costs else 1 for folder in free}
    return {folder: known.get(folder, count) for folder, count in new.items()}


def corrected(costs: Mapping[str, Cost], own: Iterable[Measured], others: Iterable[Measured]) -> dict[str, float]:
    """Return the core-seconds of units, corrected by measured ones of this run and of others.

    Measured units of the same kind and work correct an estimate; else the median of the kind does. What this run has
    measured comes before what others have.
    """
    works, kinds = dict[tuple[str, str], float](), dict[str, float]()
    for measured in (others, own):
        known = _factors(measured)
        works |= known
        by_kind: defaultdict[str, list[float]] = defaultdict(list)
        for (kind, _), factor in known.items():
            by_kind[kind].append(factor)
        kinds |= {kind: median(found) for kind, found in by_kind.items()}
    return {
        key: cost.core_seconds * works.get((cost.kind, cost.like), kinds.get(cost.kind, 1.0))
        for key, cost in costs.items()
    }


def _factors(measured: Iterable[Measured]) -> dict[tuple[str, str], float]:
    """Return measured over estimated seconds, by kind and work."""
    ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for cost, seconds in measured:
        ratios[cost.kind, cost.like].append(seconds / cost.core_seconds)
    # The higher one of two: equal weights are asked once, and a unit that was resumed counts its last attempt alone.
    return {work: median_high(found) for work, found in ratios.items()}
