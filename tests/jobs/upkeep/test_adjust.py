"""`adjust` on a simulated Slurm: arrays in the queue, later ones, holds, and what cannot be changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.submit.adjustments import Adjustment
from jobs.upkeep.adjust import adjust, adjustment_lines, parse_minutes
from stages.shared.errors import ConfigError
from tests.jobs import made
from tests.simulated.world import World

GRAPH = made.graph(made.job("a.x", 6, throttle=4), made.job("b.x", 2, ["a.x"]))
ALL = ("a.x", "b.x")


@pytest.mark.parametrize(
    ("text", "minutes"), [("90", 90), ("12:00:00", 720), ("1-00:30:00", 1470), ("0:00:01", 1), ("2:01:00", 121)]
)
def test_time_limits_are_read_as_slurm_writes_them(text: str, minutes: int) -> None:
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "1h", "12:00", "-5", "1:2:3"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--time"):
        parse_minutes(text)


def test_the_queue_is_changed_at_once_and_later_arrays_are_made_so(world: Callable[..., World]) -> None:
    here = world(graph=GRAPH, fail=0.4)
    here.advance()
    here.slurm.advance(1.0)
    said: list[str] = []
    values = {"throttle": 2, "exclude": "n17", "partition": "long", "time_min": 30}
    adjust(here.run(), Adjustment(jobs=ALL, values=values), said.append)
    first, second = here.slurm.arrays.values()
    assert (first.throttle, second.throttle) == (2, 2)
    assert [element.excluded for element in first.elements.values()] == ["n17"] * 6
    assert (second.flags["partition"], second.flags["timelimit"]) == ("long", "30")
    assert any("not changed" in line for line in said), "a running element keeps its time limit"
    here.slurm.drain()
    here.advance(heal=True)
    later = list(here.slurm.arrays.values())[-1]
    assert (later.flags["partition"], later.flags["time"], later.flags["exclude"], later.throttle) == (
        "long",
        "30",
        "n17",
        min(2, len(later.elements)),
    )
    (line,) = adjustment_lines(here.paths)
    assert "exclude n17, partition long, throttle 2, time_min 30 (a.x, b.x)" in line


def test_a_held_run_starts_nothing_new_and_goes_on_after_its_release(world: Callable[..., World]) -> None:
    here = world(graph=GRAPH)
    adjust(here.run(), Adjustment(jobs=ALL, hold=True), print)
    here.advance()
    here.slurm.drain()
    assert here.slurm.starts == 0
    here.advance()
    assert (len(here.slurm.arrays), here.slurm.starts) == (2, 0), "a second call releases nothing and submits nothing"
    assert list(adjustment_lines(here.paths)) == ["on hold: nothing new starts before `adjust --release`"]
    adjust(here.run(), Adjustment(jobs=ALL, hold=False), print)
    here.slurm.drain()
    assert here.is_finished()
    assert not list(adjustment_lines(here.paths))


def test_a_hold_in_the_middle_lets_running_elements_end(world: Callable[..., World]) -> None:
    here = world(graph=GRAPH)
    here.advance()
    here.slurm.advance(1.0)
    adjust(here.run(), Adjustment(jobs=ALL, hold=True), print)
    here.slurm.drain()
    assert here.slurm.starts == 4
    assert here.run().look()[1]["b.x"][made.unit("b.x", 0)].state == "blocked"
    adjust(here.run(), Adjustment(jobs=("b.x",), hold=False), print)
    adjust(here.run(), Adjustment(jobs=("a.x",), hold=False), print)
    here.slurm.drain()
    assert here.is_finished()
