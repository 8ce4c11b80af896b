"""Seconds by phase."""

from __future__ import annotations

from stages.align.ppo.clock import PhaseClock


def test_each_lap_counts_for_its_phase_and_a_line_begins_anew() -> None:
    times = iter([10.0, 11.0, 14.0, 15.0, 15.5])
    clock = PhaseClock(lambda: next(times))
    for phase in ("rest", "sample", "rest"):
        clock.lap(phase)
    assert clock.finish() == "rest 2.00 s (40%), sample 3.00 s (60%)"
    clock.lap("policy")
    assert clock.finish() == "policy 0.50 s (100%)"
    assert clock.finished == {"policy": 0.5}
    assert clock.finish() == ""
