"""The question before a large submission: what it would spend, against `ask_above` in the cluster file. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.plan.cluster import AskAbove
from jobs.plan.estimates import packed
from jobs.plan.graph import Graph, Job
from jobs.submit.reconcile import Actions
from stages.shared.numbers import count


@dataclass(frozen=True)
class Spending:
    """What is about to be submitted, by the steps' estimates."""

    elements: int = 0
    core_hours: float = 0.0
    gpu_hours: float = 0.0

    def beyond(self, limits: AskAbove) -> str:
        """Return what exceeds the limits, in words; "" if nothing does."""
        found = [
            f"{count(round(mine))} {name.replace('_', ' ').replace('core ', 'core-').replace('gpu ', 'GPU-')}"
            for name in ("elements", "core_hours", "gpu_hours")
            if (mine := getattr(self, name)) > getattr(limits, name)
        ]
        return ", ".join(found)


def spending(graph: Graph, actions: Actions) -> Spending:
    """Return what the actions would submit."""
    return _total(_of_job(graph.jobs[name], units) for name, units in actions.submit.items())


def _of_job(job: Job, units: tuple[str, ...]) -> Spending:
    asked, ranks = job.resources, job.step.ranks
    core_hours = sum(job.units[unit].core_seconds for unit in units) / 3600
    nodes_hours = core_hours / (ranks * asked.cpus) * asked.nodes(ranks)
    return Spending(len(packed(job, units)), core_hours, nodes_hours * asked.gpus_per_node)


def _total(found: Iterable[Spending]) -> Spending:
    each = list(found)
    return Spending(
        sum(one.elements for one in each), sum(one.core_hours for one in each), sum(one.gpu_hours for one in each)
    )
