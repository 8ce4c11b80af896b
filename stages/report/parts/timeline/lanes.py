"""Lays out attempts on a time axis: lanes for the figure, sums for the table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.report.parts.timeline.read import TimedAttempt

MAX_LANES = 40
"""A job with more attempts side by side is drawn as one bar, with its troubles in a lane below."""
GOOD = ("done", "requeue", "running")
"""Verdicts that need no attention; the others are troubles."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of the figure."""

    lane: int
    """Counted from the top of the figure."""
    start: float
    """Seconds after the run's first start."""
    length: float
    """Seconds."""
    verdict: str
    label: str


@dataclass(frozen=True, kw_only=True)
class JobLine:
    """Sums over all attempts of one job."""

    job: str
    attempts: int
    units: int
    verdicts: dict[str, int]
    """Attempts by verdict."""
    busy: float
    """Seconds, summed over attempts."""
    start: float
    end: float
    """Seconds after the run's first start; from its first attempt to its last."""
    first_lane: int
    lanes: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Content of the figure and of the table."""

    bars: list[Bar]
    jobs: list[JobLine]
    """In order of first start."""
    wall: float
    """Seconds from the first start to the last end."""
    troubles: list[TimedAttempt]
    """Attempts that failed, were lost, were cancelled or met a bad node, in order of start."""


def lay_out(attempts: Sequence[TimedAttempt], now: float) -> Timeline:
    """Return the timeline of attempts, which are in order of start; a running attempt is drawn up to `now`."""
    zero = min(attempt.started for attempt in attempts)
    by_job: dict[str, list[TimedAttempt]] = {}
    for attempt in attempts:
        by_job.setdefault(attempt.job, []).append(attempt)
    bars: list[Bar] = []
    jobs: list[JobLine] = []
    for job, own in by_job.items():
        first_lane = jobs[-1].first_lane + jobs[-1].lanes if jobs else 0
        drawn, lanes = _bars(own, zero, now, first_lane)
        bars += drawn
        jobs.append(_line(job, own, zero, now, first_lane, lanes))
    return Timeline(
        bars=bars,
        jobs=jobs,
        wall=max(line.end for line in jobs),
        troubles=[attempt for attempt in attempts if attempt.verdict not in GOOD],
    )


def _end(attempt: TimedAttempt, now: float) -> float:
    """Return the end of a bar. A lost attempt has no known end, so its bar has no length."""
    if attempt.ended is not None:
        return max(attempt.ended, attempt.started)
    return max(now, attempt.started) if attempt.verdict == "running" else attempt.started


def _bars(attempts: Sequence[TimedAttempt], zero: float, now: float, first_lane: int) -> tuple[list[Bar], int]:
    """Put each attempt into the first lane that is free when it starts; return the bars and the number of lanes."""
    free_from: list[float] = []
    bars = []
    for attempt in attempts:
        end = _end(attempt, now)
        lane = next((lane for lane, free in enumerate(free_from) if free <= attempt.started), len(free_from))
        if lane == MAX_LANES:
            return _crowd(attempts, zero, now, first_lane), 2
        free_from[lane : lane + 1] = [end]
        bars.append(_bar(attempt, first_lane + lane, zero, end))
    return bars, len(free_from)


def _crowd(attempts: Sequence[TimedAttempt], zero: float, now: float, first_lane: int) -> list[Bar]:
    start, end = attempts[0].started, max(_end(attempt, now) for attempt in attempts)
    label = f"{attempts[0].job}: {len(attempts):,} attempts"
    whole = Bar(lane=first_lane, start=start - zero, length=end - start, verdict="done", label=label)
    troubles = [attempt for attempt in attempts if attempt.verdict != "done"]
    return [whole, *(_bar(attempt, first_lane + 1, zero, _end(attempt, now)) for attempt in troubles)]


def _bar(attempt: TimedAttempt, lane: int, zero: float, end: float) -> Bar:
    where = f" on {attempt.node}" if attempt.node else ""
    name = f"{attempt.job}/{attempt.element}" + (f", restart {attempt.restart}" if attempt.restart else "")
    label = f"{name}: {attempt.verdict}{where}"
    return Bar(
        lane=lane, start=attempt.started - zero, length=end - attempt.started, verdict=attempt.verdict, label=label
    )


def _line(job: str, attempts: Sequence[TimedAttempt], zero: float, now: float, first_lane: int, lanes: int) -> JobLine:
    verdicts: dict[str, int] = {}
    for attempt in attempts:
        verdicts[attempt.verdict] = verdicts.get(attempt.verdict, 0) + 1
    ends = [_end(attempt, now) for attempt in attempts]
    return JobLine(
        job=job,
        attempts=len(attempts),
        units=len({unit for attempt in attempts for unit in attempt.units}),
        verdicts=verdicts,
        busy=sum(end - attempt.started for end, attempt in zip(ends, attempts, strict=True)),
        start=attempts[0].started - zero,
        end=max(ends) - zero,
        first_lane=first_lane,
        lanes=lanes,
    )
