"""Lanes: processes that share an element's units side by side on a whole node, as srun starts them."""

from __future__ import annotations

import pytest

from stages.formats.attempts import ResultRecord
from tests.jobs.bench import PATIENCE_S, Bench

LANES = 2
UNITS = (0, 1, 2)


@pytest.fixture(autouse=True)
def lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECOACH_LANES", str(LANES))


def codes(bench: Bench, units: tuple[int, ...] = UNITS) -> tuple[list[int], str]:
    """Run all lanes of one element at a time; return their exit codes, and the verdict on the largest, as srun's is."""
    entry = bench.submit("make", units)
    lanes = [bench.start(entry, rank=lane) for lane in range(LANES)]
    found = [lane.wait(timeout=PATIENCE_S) for lane in lanes]
    return found, bench.attempt_end(entry, max(found))


def test_every_unit_is_done_once_and_the_attempt_has_one_start_and_a_result_of_each_lane(bench: Bench) -> None:
    found, verdict = codes(bench)
    assert (found, verdict) == ([0, 0], "done")
    assert bench.toy.calls() == {"make.0": 1, "make.1": 1, "make.2": 1}
    assert bench.done("make") == set(UNITS)
    (attempt,) = bench.run.ledger.attempts(["toy.make"])
    assert attempt.start is not None and attempt.start.units == ("0", "1", "2")
    assert (attempt.num_results, attempt.result) == (LANES, ResultRecord(exit_code=0, failed={}))


def test_a_failure_in_one_lane_is_reported_and_leaves_the_other_lanes_alone(bench: Bench) -> None:
    bench.toy.mood("make.1", "fail words fail me")
    found, verdict = codes(bench)
    assert (found, verdict) == ([0, 1], "failed")
    assert bench.done("make") == {0, 2}
    (attempt,) = bench.run.ledger.attempts(["toy.make"])
    assert attempt.result == ResultRecord(exit_code=1, failed={"1": "RuntimeError: words fail me"})


def test_an_element_comes_back_if_one_lane_asks_for_it_though_srun_returns_the_code_of_another(bench: Bench) -> None:
    bench.toy.mood("make.0", "never")
    bench.toy.mood("make.1", "stall")
    found, verdict = codes(bench)
    assert (sorted(found), verdict) == ([85, 93], "requeue")
    bench.toy.mood("make.1", "node")
    found, verdict = codes(bench)
    assert sorted(found) == [77, 93]
    assert verdict.startswith("bad-node")
