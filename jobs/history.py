"""Work of a run under earlier settings: what a changed recipe goes on from, and what it leaves behind.

Only for steps of one unit that resume, such as trainings: their half-done work is worth a question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from jobs.paths import RunPaths, StepPaths, same_key
from jobs.plan.graph import Job
from jobs.plan.recipe import Recipe, make_recipe
from jobs.submit.ledger import Ledger
from stages.formats.attempts import PROGRESS, Attempt
from stages.shared.contract import Earlier, StageConfig
from stages.shared.errors import StagecoachError
from stages.shared.files import read_json

ASKED_HOURS = 1.0
"""Half-done work of more hours is not left behind without a question."""


@dataclass(frozen=True)
class Past:
    """One unit that an earlier recipe of the run began or finished."""

    earlier: Earlier
    fingerprint: str
    unit: str
    """Its folder."""
    inputs: str
    """Digest of what it read."""
    hours: float
    """Of all its attempts."""
    last: float
    """Unix seconds of its last start."""


@dataclass(frozen=True)
class Change:
    """The effect of changed settings on what the run did before for a job's only unit."""

    done: int
    """Progress of the unit with the earlier settings that come nearest."""
    reused: int
    """Progress from which it goes on; 0: it starts anew."""
    is_done: bool
    hours: float
    """Hours of its attempts whose work is not used."""

    @property
    def lost(self) -> int:
        """Progress that is not used."""
        return max(0, self.done - self.reused)


def past_units(ledger: Ledger, job: str) -> list[Past]:
    """Return the units of a job that made progress, the one that was started last at the end."""
    by_unit: dict[tuple[str, str], list[Attempt]] = {}
    submissions = {entry.key: entry for entry in ledger.submissions() if entry.job == job}
    for attempt in ledger.attempts([job]) if submissions else ():
        if entry := submissions.get(attempt.name.key):
            for unit in entry.elements[attempt.name.element]:
                by_unit.setdefault((entry.fingerprint, unit), []).append(attempt)
    found = [past for place, attempts in by_unit.items() if (past := _past(ledger.paths, job, place, attempts))]
    return sorted(found, key=lambda past: past.last)


def _past(paths: RunPaths, job: str, place: tuple[str, str], attempts: list[Attempt]) -> Past | None:
    step = paths.step(job, place[0])
    progress = max(attempt.progress for attempt in attempts)
    record = read_json(step.step_json) if step.step_json.exists() else {}
    if progress <= 0 or "config" not in record or not _is_left(step, place[1]):
        return None
    hours = sum(_ended(paths, attempt) - attempt.started for attempt in attempts if attempt.start) / 3600
    earlier = Earlier(settings=record["config"], progress=progress, is_done=step.is_marked(place[1]))
    inputs = record["inputs"].get(place[1], "")
    return Past(earlier, place[0], place[1], inputs, hours, max(attempt.started for attempt in attempts))


def _ended(paths: RunPaths, attempt: Attempt) -> float:
    """Return when an attempt ended; of one that left no record of it, when it last reported progress."""
    progress = attempt.name.path(paths.attempts, PROGRESS, 0)
    if attempt.end or not progress.exists():
        return attempt.end.ended if attempt.end else attempt.started
    return progress.stat().st_mtime


def _is_left(step: StepPaths, unit: str) -> bool:
    """Return whether anything of a unit is still on disk."""
    return step.is_marked(unit) or step.work(unit).exists()


def with_history(recipe: Recipe, paths: RunPaths) -> Recipe:
    """Return the recipe with the settings that follow from what the run did before: StageConfig.after."""
    values: dict[str, Any] = {}
    ledger = Ledger(paths)
    for name, config in recipe.sections.items():
        if type(config).after is StageConfig.after:  # its history changes nothing: not worth reading
            continue
        earlier = [past.earlier for past in past_units(ledger, name)] if (paths.root / "steps" / name).exists() else []
        for setting, value in config.after(earlier).items():
            values = values or deepcopy(dict(recipe.values))
            here = values[name]
            *above, last = setting.split(".")
            for key in above:
                here = here.setdefault(key, {})
            here[last] = value
    return replace(make_recipe(values), inherited=recipe.inherited) if values else recipe


def change(ledger: Ledger, job: Job) -> Change | None:
    """Return what becomes of the earlier work of a job's only unit; None if there is none, or if it is all used."""
    if not _is_kept(job):
        return None
    (unit,) = job.units
    past = past_units(ledger, job.name)
    if any(_is_of(job, each) for each in past):
        return None
    found = [_changed(job, each) for each in past if same_key(each.unit, unit)]
    return max(found, key=lambda each: (each.reused, not each.is_done, each.done), default=None)


def _is_kept(job: Job) -> bool:
    """Return whether a job is one whose half-done work is worth a question."""
    return job.step.resumes and len(job.units) == 1 and job.step.shape == "train"


def _is_of(job: Job, past: Past) -> bool:
    """Return whether a job's present settings and inputs did this."""
    return past.fingerprint == job.fingerprint and past.unit in job.units


def begun(paths: RunPaths, jobs: Iterable[Job], found: Mapping[str, Change]) -> dict[str, int]:
    """Return the progress from which jobs of one unit go on, by job: their own, or that of earlier settings."""
    ledger = Ledger(paths)
    own = {
        job.name: max((past.earlier.progress for past in past_units(ledger, job.name) if _is_of(job, past)), default=0)
        for job in jobs
        if _is_kept(job) and all(paths.step(job.name, job.fingerprint).work(unit).exists() for unit in job.units)
    }
    return own | {name: each.reused for name, each in found.items()}


def _changed(job: Job, past: Past) -> Change:
    same_inputs = not past.inputs or past.inputs == job.inputs_digest
    reused = job.config.reused(past.earlier) if same_inputs else 0
    lost = past.earlier.progress - reused
    return Change(
        done=past.earlier.progress,
        reused=reused,
        is_done=past.earlier.is_done,
        hours=past.hours * max(0, lost) / past.earlier.progress,
    )


def changes(paths: RunPaths, jobs: Iterable[Job]) -> dict[str, Change]:
    """Return the changes of those jobs that have one, by job."""
    ledger = Ledger(paths)
    return {job.name: found for job in jobs if (found := change(ledger, job))}


def lines_of(found: Mapping[str, Change]) -> Iterator[str]:
    """Yield a sentence or two for each job."""
    for job, each in found.items():
        if each.reused:
            yield f"{job}: goes on after step {each.reused:,} of what it did with earlier settings"
        if each.lost and not (each.reused and each.is_done):
            yield f"{job}: {each.lost:,} done steps of earlier settings are not used ({each.hours:.1f} hours)"


def require_consent(found: Mapping[str, Change], ask: Callable[[str], bool]) -> None:
    """Ask before half-done work of more than an hour is left behind. Raises StagecoachError where `ask` says no."""
    for job, each in found.items():
        if not each.is_done and each.hours > ASKED_HOURS:
            lost = f"{each.lost:,} done steps of {job} ({each.hours:.1f} hours) would not be used"
            if not ask(lost):
                remedy = f"set {job}.continue_from to their last checkpoint to go on from it with these settings"
                raise StagecoachError(f"{lost}: {remedy}, or start anew with --yes")
