"""Strays: what Slurm's queue holds of a run beyond the units of the present plan. Pure.

Arrays of earlier settings, arrays that came after all was cancelled or that came twice, and done elements that Slurm
holds since an outage. Only a row's comment tells whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.plan.graph import Graph
from jobs.submit.ledger import Submission
from jobs.submit.reconcile import LIVE, Snapshot, States, leftovers
from jobs.submit.slurm import QueueRow


@dataclass(frozen=True, kw_only=True)
class Strays:
    """Elements of one job that are strays for one reason."""

    job: str
    """"" if the ledger does not know the submission."""
    why: str
    slurm_ids: tuple[str, ...]
    """Of the elements."""

    @property
    def arrays(self) -> tuple[str, ...]:
        """Ids of their arrays."""
        return tuple(dict.fromkeys(each.partition("_")[0] for each in self.slurm_ids))


def strays(graph: Graph, states: States, seen: Snapshot) -> list[Strays]:
    """Return the strays by job and reason, in the order of the queue.

    An element at its end is none: its unit is done or has failed, and its row goes by itself.
    """
    known = {entry.key: entry for entry in seen.submissions}
    current = {(state.key, state.element) for units in states.values() for state in units.values()}
    live = {state.slurm_id for units in states.values() for state in units.values() if state.state in LIVE}
    held = {row.slurm_id for _, row in leftovers(seen)}
    found: dict[tuple[str, str], list[str]] = {}
    for row in seen.queue:
        if row.slurm_id in live or row.state == "COMPLETING":
            continue
        entry = known.get(row.key)
        if why := "done, and held by Slurm" if row.slurm_id in held else _why(graph, entry, row, current, seen):
            found.setdefault((entry.job if entry else "", why), []).append(row.slurm_id)
    return [Strays(job=job, why=why, slurm_ids=tuple(ids)) for (job, why), ids in found.items()]


def _why(graph: Graph, entry: Submission | None, row: QueueRow, current: set[tuple[str, int]], seen: Snapshot) -> str:
    """Return why a row that no living unit belongs to is a stray, "" if it is at its end."""
    if entry is None or row.element >= len(entry.elements):
        return "in the queue, but not in the ledger"
    if entry.slurm_id and row.array != entry.slurm_id:
        return "submitted twice"
    job, units = graph.jobs.get(entry.job), entry.elements[row.element]
    if job is None or job.fingerprint != entry.fingerprint or not job.units.keys() & set(units):
        return "of earlier settings"
    if (row.key, row.element) in current or _is_done(entry.job, units, seen):
        return ""
    return "submitted again since"


def _is_done(job: str, units: Sequence[str], seen: Snapshot) -> bool:
    return seen.done.get(job, frozenset()).issuperset(units)


def ending(found: Sequence[Strays], states: States, seen: Snapshot) -> tuple[list[str], set[str]]:
    """Return what ends the strays: Slurm ids to cancel, and the keys of submissions that are nothing else.

    The ids are those of arrays as far as all their elements in the queue are strays.
    """
    ids = {each for some in found for each in some.slurm_ids}
    kept = {row.array for row in seen.queue if row.slurm_id not in ids}
    current = {state.key for units in states.values() for state in units.values()}
    rows = [row for row in seen.queue if row.slurm_id in ids]
    arrays = [row.slurm_id if row.array in kept else row.array for row in rows]
    return list(dict.fromkeys(arrays)), {row.key for row in rows} - current


def to_remove(states: States, seen: Snapshot) -> list[str]:
    """Return the Slurm ids of done elements that Slurm holds, of arrays without a living element.

    While another element lives, dependents may wait for the whole array, and it must not fail.
    """
    living = {state.key for units in states.values() for state in units.values() if state.state in LIVE}
    return [row.slurm_id for entry, row in leftovers(seen) if entry.key not in living]
