"""Reads the ledger: every attempt with its time and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.formats import attempts
from stages.report.part import Material

FOLDER = ("ledger", "attempts")
"""Folder of the attempts in the folder of a run."""


@dataclass(frozen=True, kw_only=True)
class TimedAttempt:
    """One start of one array element, as the timeline shows it."""

    job: str
    element: int
    restart: int
    units: tuple[str, ...]
    slurm_id: str
    """Empty on a machine without Slurm."""
    node: str
    started: float
    """Unix seconds."""
    ended: float | None
    """None if the ledger has no end."""
    verdict: str
    """As the ledger has it. Without an end: `lost` if a later attempt took over one of the units, else `running`."""
    reason: str


def read(material: Material) -> list[TimedAttempt]:
    """Return all attempts of the run in order of start. Raises DataError, naming the file, for a damaged record."""
    records = (attempts.START, attempts.END)
    return timed(attempts.read_attempts(material.run_dir.joinpath(*FOLDER), records=records))


def timed(found: Sequence[attempts.Attempt]) -> list[TimedAttempt]:
    """Return attempts, in order of start, with their verdicts. Pure."""
    latest = {(attempt.name.job, unit): attempt.name for attempt in found for unit in _units(attempt)}
    return [_timed(attempt, latest) for attempt in found]


def _units(attempt: attempts.Attempt) -> tuple[str, ...]:
    return attempt.start.units if attempt.start else ()


def _timed(attempt: attempts.Attempt, latest: dict[tuple[str, str], attempts.AttemptName]) -> TimedAttempt:
    name, start, end = attempt.name, attempt.start, attempt.end
    if end is not None:
        verdict, reason = end.verdict, end.reason
    elif any(latest[name.job, unit] != name for unit in _units(attempt)):
        verdict, reason = "lost", "it left no end; a later attempt took over"
    else:
        verdict, reason = "running", ""
    return TimedAttempt(
        job=name.job,
        element=name.element,
        restart=name.restart,
        units=_units(attempt),
        slurm_id=start.slurm_id if start else "",
        node=start.node if start else "",
        started=attempt.started,
        ended=end.ended if end else None,
        verdict=verdict,
        reason=reason,
    )
