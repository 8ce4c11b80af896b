"""The ledger: who was asked to do which shard, and what came of it. Files, one writer each, renamed into place.

The launcher writes submissions and cancels, the worker start/progress/result, the batch script's last act the end.
Nothing here needs accounting: with the ledger, completion marks and one look at the queue, a run can be explained.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths
from stages.shared.files import read_json, write_json

ATTEMPT_FILE = re.compile(
    r"(?P<key>[^.]+)\.(?P<element>\d+)\.(?P<restart>\d+)\.(?P<part>start|progress|result|end)\.json"
)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One array handed to a scheduler. Element i works through the shards `elements[i]`."""

    key: str
    job: str
    fingerprint: str
    number: int
    """Counts the run's submissions: the latest that covers a shard is the one that matters."""
    elements: tuple[tuple[int, ...], ...]
    slurm_id: str = ""
    """The array's id; empty between the intent and the scheduler's answer, and on the local cluster."""
    submitted: float = 0.0
    """Unix seconds."""

    def element_of(self, shard: int) -> int | None:
        """Return the element that covers a shard."""
        return next((index for index, shards in enumerate(self.elements) if shard in shards), None)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One start of one array element, as far as it got."""

    job: str
    key: str
    element: int
    restart: int
    start: Mapping[str, Any]
    progress: int
    """Best progress reported, -1 if none."""
    result: Mapping[str, Any]
    """Written by a worker that ended by itself: {done: [...], failed: {shard: reason}}; else empty."""
    end: Mapping[str, Any]
    """Written after the worker is gone: {ended, exit_code, verdict, reason, progress}; else empty."""


def write_submission(run: RunPaths, submission: Submission) -> None:
    """Record a submission, or complete the record of an intended one."""
    write_json(run.submissions / submission.job / f"{submission.key}.json", asdict(submission))


def read_submissions(run: RunPaths) -> list[Submission]:
    """Return all submissions, oldest first."""
    records = [read_json(path) for path in run.submissions.glob("*/*.json")]
    made = [Submission(**{**record, "elements": tuple(map(tuple, record["elements"]))}) for record in records]
    return sorted(made, key=lambda submission: submission.number)


def last_number(submissions: Iterable[Submission]) -> int:
    """Return the highest number that a submission of the run has, 0 if there is none yet."""
    return max((entry.number for entry in submissions), default=0)


def read_attempts(run: RunPaths, jobs: Iterable[str] | None = None) -> list[Attempt]:
    """Return all attempts, in order of start; of some jobs only if `jobs` is given."""
    folders = [run.attempts / job for job in jobs] if jobs is not None else sorted(run.attempts.glob("*"))
    attempts = [attempt for folder in folders for attempt in _attempts_in(folder)]
    return sorted(attempts, key=lambda attempt: attempt.start.get("started", 0.0))


def _attempts_in(folder: Path) -> list[Attempt]:
    parts: dict[tuple[str, int, int], dict[str, Any]] = {}
    for path in folder.glob("*.json"):
        if match := ATTEMPT_FILE.fullmatch(path.name):
            identity = (match["key"], int(match["element"]), int(match["restart"]))
            parts.setdefault(identity, {})[match["part"]] = read_json(path)
    return [
        Attempt(
            job=folder.name,
            key=key,
            element=element,
            restart=restart,
            start=found.get("start", {}),
            progress=int(found.get("progress", {}).get("progress", -1)),
            result=found.get("result", {}),
            end=found.get("end", {}),
        )
        for (key, element, restart), found in parts.items()
    ]


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
