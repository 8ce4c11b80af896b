"""Who is slow, and that a rank that is slow shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.formats.telemetry.rank_times import read_ranks
from stages.train.telemetry.stragglers import RankReading, Stragglers
from tests.stages.train.ranks import DEEP, Run, train


def reading(*seconds: float) -> RankReading:
    return RankReading(seconds, tuple(100.0 + s for s in seconds))


def test_a_rank_is_told_once_when_it_was_slow_three_times_in_a_row() -> None:
    stragglers = Stragglers(["n1", "n1", "n2", "n2"])
    told = [stragglers.add(reading(1.0, 1.1, slow, 0.9)) for slow in (1.3, 1.3, 1.1, 1.3, 1.3, 1.4, 1.4)]
    assert [bool(lines) for lines in told] == [False, False, False, False, False, True, False]
    assert told[5] == [
        "rank 2 on n2 is slow: 1.400 s of its own in a step, where 1.000 s is usual, 3 readings in a row"
    ]


def test_of_two_ranks_the_faster_one_is_usual() -> None:
    stragglers = Stragglers(["n1", "n2"])
    assert [len(stragglers.add(reading(1.0, 1.25))) for _ in range(4)] == [0, 0, 1, 0]


def test_a_few_milliseconds_make_no_straggler() -> None:
    stragglers = Stragglers(["n1", "n2"])
    assert not any(stragglers.add(reading(0.003, 0.006)) for _ in range(4))


def test_times_are_means_and_the_latest_memory() -> None:
    stragglers = Stragglers(["n1", "n2"])
    stragglers.add(reading(1.0, 2.0))
    stragglers.add(reading(2.0, 2.0))
    times = stragglers.times(40)
    assert (times.step, times.readings) == (40, 2)
    assert [(r.rank, r.node, r.seconds, r.memory_mb, r.slow) for r in times.ranks] == [
        (0, "n1", 1.5, 102.0, 0),
        (1, "n2", 2.0, 102.0, 1),
    ]


@pytest.mark.parametrize("layout", [{"dp": 2}, {"tp": 2}], ids=["dp", "tp"])
def test_a_rank_that_is_slowed_is_found_though_all_steps_take_as_long(run: Run, layout: dict[str, int]) -> None:
    slowed = replace(run, config={"model": DEEP, "layout": layout, "steps": 10, "log_every": 2}, slow=0.02)
    assert train(slowed) == [0, 0]
    first, last = read_ranks(run.out / "ranks.json").ranks
    # Four layers and two or four microbatches, 20 ms each.
    assert last.seconds - first.seconds > 0.1
    assert (first.slow, last.slow) == (0, 5)
