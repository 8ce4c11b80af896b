"""The throttle of a job, over all its arrays. Pure.

Slurm knows a throttle for each array alone. So the arrays of one call share the job's throttle, and arrays beyond it
wait for those in front. Arrays of earlier calls that are still in the queue, of whatever settings, keep their share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.submit.ledger import Submission
from jobs.submit.reasons import is_at_rest
from jobs.submit.slurm import QueueRow


@dataclass(frozen=True, kw_only=True)
class Room:
    """Room for new arrays of a job."""

    elements: int
    """Elements that may run at once."""
    behind: tuple[Submission, ...] = ()
    """Arrays that must end first."""


def room_for(count: int, throttle: int, arrays: Sequence[Submission], in_queue: Mapping[str, int]) -> Room:
    """Return the room for `count` new elements of a job with these arrays; `in_queue` counts elements by key.

    New arrays run beside those in the queue if all their elements fit, or if half the throttle is free. Else they wait
    for those and then have all of it: a small share would be theirs to their end, however much becomes free.
    """
    live = [entry for entry in arrays if in_queue.get(entry.key) and entry.slurm_id]
    in_front = {key for entry in live for key in entry.behind}
    if in_front.isdisjoint(entry.key for entry in live):
        free = throttle - sum(min(entry.throttle, in_queue[entry.key]) for entry in live)
        if count <= free or 2 * free >= throttle:
            return Room(elements=free)
    return Room(elements=throttle, behind=tuple(entry for entry in live if entry.key not in in_front))


def elements_in_queue(rows: Sequence[QueueRow], leaving: Sequence[str]) -> Counter[str]:
    """Return how many elements of each submission run or can start, without the Slurm ids that are `leaving`."""
    gone = frozenset(leaving)
    return Counter(row.key for row in rows if row.slurm_id not in gone and not is_at_rest(row.reason))


def shares(throttle: int, arrays: int) -> tuple[list[int], int]:
    """Return the share of each of a number of arrays in a throttle, and how many of them may run side by side.

    Where there are more arrays than elements may run at once, the others must wait: array i for array i minus that
    number.
    """
    lanes = min(throttle, arrays)
    return [throttle // lanes + (array % lanes < throttle % lanes) for array in range(arrays)], lanes
