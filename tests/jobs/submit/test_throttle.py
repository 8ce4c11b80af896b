"""The throttle of a job: shared by its arrays, and by those of earlier calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.submit.ledger import Submission
from jobs.submit.throttle import elements_in_queue, room_for, shares
from tests.jobs import made
from tests.jobs.made import row

FIRST, SECOND, CHAINED = (
    replace(made.submission("a.x", [(n,) for n in range(9)], number, f"{number}0"), throttle=throttle)
    for number, throttle in ((1, 6), (2, 4), (3, 6))
)
CHAIN = [FIRST, SECOND, replace(CHAINED, behind=(FIRST.key,))]


@pytest.mark.parametrize(
    ("throttle", "arrays", "expected", "lanes"),
    [
        (256, 1, [256], 1),
        (256, 3, [86, 85, 85], 3),
        (5, 5, [1, 1, 1, 1, 1], 5),
        (2, 3, [1, 1, 1], 2),
        (1, 4, [1, 1, 1, 1], 1),
    ],
)
def test_a_throttle_is_shared_by_the_arrays_of_a_job(
    throttle: int, arrays: int, expected: list[int], lanes: int
) -> None:
    assert shares(throttle, arrays) == (expected, lanes)
    assert sum(expected[:lanes]) == throttle


@pytest.mark.parametrize(
    ("arrays", "in_queue", "count", "elements", "behind"),
    [
        ([], [], 99, 10, ()),
        ([FIRST, SECOND], [0, 0], 99, 10, ()),
        # All of the throttle is in use: six and four at once, though more elements wait.
        ([FIRST, SECOND], [9, 9], 1, 10, ("10", "20")),
        ([FIRST, SECOND], [9, 2], 3, 10, ("10", "20")),
        # Few are left: what fits, or more than half, begins beside them.
        ([FIRST, SECOND], [9, 2], 2, 2, ()),
        ([FIRST, SECOND], [1, 0], 99, 9, ()),
        ([FIRST, SECOND], [5, 0], 99, 5, ()),
        ([FIRST, SECOND], [6, 0], 99, 10, ("10",)),
        # Arrays that wait already will take what becomes free.
        (CHAIN, [1, 0, 9], 1, 10, ("30",)),
        (CHAIN, [1, 1, 9], 1, 10, ("20", "30")),
        (CHAIN, [0, 0, 2], 8, 8, ()),
        ([replace(FIRST, slurm_id="", refusal="no")], [0], 99, 10, ()),
        # The throttle was lowered meanwhile.
        ([replace(FIRST, throttle=20)], [20], 1, 10, ("10",)),
    ],
)
def test_new_arrays_find_the_room_that_those_in_the_queue_leave(
    arrays: list[Submission], in_queue: list[int], count: int, elements: int, behind: tuple[str, ...]
) -> None:
    queued = {entry.key: number for entry, number in zip(arrays, in_queue, strict=True)}
    room = room_for(count, 10, arrays, queued)
    assert (room.elements, tuple(entry.slurm_id for entry in room.behind)) == (elements, behind)


def test_elements_that_are_held_or_never_start_take_no_room() -> None:
    reasons = ["None", "Resources", "launch failed requeued held", "JobHeldUser", "PartitionTimeLimit", "Dependency"]
    rows = [*(row(f"10_{n}", reason=reason) for n, reason in enumerate(reasons)), row("20_0", "RUNNING")]
    assert elements_in_queue(made.named(rows, [FIRST, SECOND]), ["10_1"]) == {FIRST.key: 3, SECOND.key: 1}
