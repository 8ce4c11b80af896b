"""Cost and waste: hand-computed hours, saved states that are not lost, hostile names, a run with kills."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace

from jobs.upkeep.waste import as_csv, as_html, as_rows, cost_of, run_costs
from stages.formats.attempts import Attempt, AttemptName, EndRecord
from tests.jobs import made
from tests.simulated.world import World

ASKED = {"cpus": 4, "ranks_per_node": 2, "gpus_per_node": 2}
ENTRY = replace(made.submission("a", [(0,), (1,)]), submitted=1000.0, resources=ASKED)


def attempt(element: int, restart: int, started: float, ended: float | None, verdict: str, code: int) -> Attempt:
    end = EndRecord(ended=ended, exit_code=code, verdict=verdict, reason="", progress=-1) if ended is not None else None
    start = made.start_record(started=started)
    return Attempt(name=AttemptName("a", ENTRY.key, element, restart), start=start, end=end)


def test_hours_waits_and_losses_are_those_of_the_ledger() -> None:
    found = [
        attempt(0, 0, 4600.0, 8200.0, "requeue", 137),  # an hour, killed: lost
        attempt(0, 1, 9000.0, 12600.0, "requeue", 85),  # an hour, saved
        attempt(0, 2, 13000.0, 14800.0, "done", 0),  # half an hour
        attempt(1, 0, 2800.0, None, "", 0),  # no end on record
    ]
    cost = cost_of("a", {ENTRY.key: ENTRY}, found, ranks=4)
    assert (cost.elements, cost.starts, cost.restarts, cost.open) == (2, 4, 2, 1)
    assert (cost.core_hours, cost.gpu_hours, cost.lost_core_hours) == (2.5 * 16, 2.5 * 4, 16.0)
    assert (cost.wait_h, cost.lost_share) == (0.75, 0.4)


def test_a_job_that_never_ran_costs_nothing_and_tables_hold_every_job() -> None:
    costs = [cost_of("a", {}, [], 1), replace(cost_of("b", {}, [], 1), job='<script>"x",y')]
    assert [row["job"] for row in csv.DictReader(io.StringIO(as_csv(costs)))] == ["a", '<script>"x",y']
    page = as_html("it's <b>", costs)
    assert "<script>" not in page and "<b>" not in page and "&lt;script&gt;" in page
    assert as_rows(costs)[0]["lost_share"] == 0.0


def test_a_run_with_kills_has_lost_what_was_killed(world: Callable[..., World]) -> None:
    here = world(graph=made.graph(made.job("a", 60, cpus=2)), kill=0.3)
    here.advance()
    here.slurm.drain()
    assert here.is_finished()
    (cost,) = run_costs(here.run())
    kills = here.workers.met["kill"]
    assert (cost.starts, cost.restarts, cost.elements) == (60 + kills, kills, 60)
    assert 0.1 < cost.lost_share < 0.5
