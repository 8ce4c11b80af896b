"""The ledger: which units were handed to a scheduler in which array, and the outcome of every attempt.

Files, one writer each, renamed into place. The launcher writes submissions, assignments and cancels; attempts have
their own format (stages/formats/attempts.py). Nothing here needs accounting: the ledger, the completion marks and one
look at the queue explain a run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths
from stages.formats.attempts import Attempt, read_attempts
from stages.shared.files import read_json, write_atomic, write_json


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One array handed to a scheduler. Element i works through the units `elements[i]`, named by their folders."""

    key: str
    job: str
    fingerprint: str
    number: int
    """Counts the run's submissions: the latest that covers a unit is the one that matters."""
    elements: tuple[tuple[str, ...], ...]
    slurm_id: str = ""
    """The array's id; empty between the intent and the scheduler's answer, and on the local cluster."""
    submitted: float = 0.0
    """Unix seconds."""

    def element_of(self, unit: str) -> int | None:
        """Return the element that covers a unit."""
        return next((index for index, units in enumerate(self.elements) if unit in units), None)


class Ledger:
    """Reads a run's ledger. Keeps submissions that are complete, so that looking again reads only new ones."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self._submissions: dict[Path, Submission] = {}

    def submissions(self) -> list[Submission]:
        """Return all submissions, oldest first."""
        found = [self._submission(path) for path in self.paths.submissions.glob("*/*.json")]
        return sorted(found, key=lambda submission: submission.number)

    def _submission(self, path: Path) -> Submission:
        known = self._submissions.get(path)
        if known is None or not known.slurm_id:  # an intent is completed once the scheduler has answered
            record = read_json(path)
            known = Submission(**{**record, "elements": tuple(map(tuple, record["elements"]))})
            self._submissions[path] = known
        return known

    def attempts(
        self, jobs: Iterable[str], wanted: Callable[[str, int], bool] = lambda key, element: True
    ) -> list[Attempt]:
        """Return the attempts of some jobs in order of start, only of elements (key, index) that are wanted."""
        return read_attempts(self.paths.attempts, sorted(jobs), wanted=lambda name: wanted(name.key, name.element))


def write_submission(run: RunPaths, submission: Submission) -> None:
    """Record a submission, or complete the record of an intended one."""
    write_json(run.submissions / submission.job / f"{submission.key}.json", asdict(submission))


def drop_submission(run: RunPaths, submission: Submission) -> None:
    """Remove the record of an intended submission that never reached the scheduler."""
    (run.submissions / submission.job / f"{submission.key}.json").unlink()


def write_assignment(run: RunPaths, submission: Submission, assignment: Mapping[str, Any]) -> None:
    """Record what the worker needs to run a submission's elements."""
    text = json.dumps(assignment, sort_keys=True, ensure_ascii=False)
    write_atomic(run.assignment(submission.job, submission.key), text + "\n")


def last_number(submissions: Iterable[Submission]) -> int:
    """Return the highest number that a submission of the run has, 0 if there is none yet."""
    return max((entry.number for entry in submissions), default=0)


def write_cancel(run: RunPaths, key: str, when: float) -> None:
    """Record that the user cancelled a submission."""
    write_json(run.cancels / f"{key}.json", {"cancelled": when})


def read_cancels(run: RunPaths) -> frozenset[str]:
    """Return the keys of cancelled submissions."""
    return frozenset(path.stem for path in run.cancels.glob("*.json"))


def process_identity(pid: int) -> str:
    """Return a text that is equal only for the very same process on the same boot, "" if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return _portable_identity(pid)
    return "" if fields[0] == "Z" else f"{boot}:{pid}:{fields[19]}"


def _portable_identity(pid: int) -> str:
    """Return the identity where there is no /proc (macOS): the bare pid, while it lives."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return str(pid)
