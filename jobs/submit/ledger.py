"""The ledger: which units were handed to a scheduler in which array, and the outcome of every attempt.

Files, one writer each, renamed into place. The launcher writes submissions, assignments and cancels; attempts have
their own format (stages/formats/attempts.py). Nothing here needs accounting: the ledger, the completion marks and one
look at the queue explain a run.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths
from stages.formats.attempts import RECORDS, Attempt, read_attempts, started_attempts
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_atomic, write_json

PLACE_CHARS = 16
"""Width of an offset in a file of parts, its line break included."""


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
    """Unix seconds; of the intent until the scheduler has answered."""
    behind: tuple[str, ...] = ()
    """Keys of arrays of the same job that must end first, for the sake of the job's throttle."""
    throttle: int = 0
    """Elements that may run at once: its share of the job's throttle."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """The job's resources, as they were submitted."""
    held: bool = False
    """Whether it was handed over held, and its release is not on record."""
    refusal: str = ""
    """Slurm's words, if it took no such array."""
    launcher: str = ""
    """Boot of the machine that submitted it."""

    @property
    def is_intent(self) -> bool:
        """True while it is unknown whether the scheduler has the array."""
        return not self.slurm_id and not self.refusal

    def element_of(self, unit: str) -> int | None:
        """Return the element that covers a unit."""
        return next((index for index, units in enumerate(self.elements) if unit in units), None)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What the worker needs to run the elements of one submission, as plain data."""

    job: Mapping[str, Any]
    """The job: small, and read by every element's worker and end."""
    common: Mapping[str, Any]
    """What all units read."""
    elements: Sequence[Sequence[Mapping[str, Any]]]
    """Units by element."""


class Ledger:
    """Reads a run's ledger. Keeps submissions that are complete, so that looking again reads only new ones."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.unreadable: set[str] = set()
        """A sentence for each record that could not be read. It is as if there were no such record."""
        self._submissions: dict[Path, Submission] = {}

    def submissions(self) -> list[Submission]:
        """Return all submissions, oldest first."""
        found = [self._readable(path) for path in self.paths.submissions.glob("*/*.json")]
        return sorted(filter(None, found), key=lambda submission: submission.number)

    def _readable(self, path: Path) -> Submission | None:
        try:
            return self._submission(path)
        except FileNotFoundError:  # an intent that was dropped a moment ago
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not the record of a submission"
            self.unreadable.add(f"{path}: {problem}. Its units count as never submitted; move the file away")
            return None

    def _submission(self, path: Path) -> Submission:
        known = self._submissions.get(path)
        if known is None or known.is_intent or known.held:  # the launcher completes these records
            record = read_json(path)
            tuples = {"elements": tuple(map(tuple, record["elements"])), "behind": tuple(record["behind"])}
            known = Submission(**{**record, **tuples})
            if not isinstance(known.number, int) or known.key != path.stem or known.job != path.parent.name:
                raise ValueError("the record is another's")
            self._submissions[path] = known
        return known

    def attempts(
        self,
        jobs: Iterable[str],
        wanted: Callable[[str, int], bool] = lambda key, element: True,
        records: Collection[str] = RECORDS,
    ) -> list[Attempt]:
        """Return the attempts of some jobs in order of start, only of elements (key, index) that are wanted."""
        return read_attempts(
            self.paths.attempts,
            sorted(jobs),
            records,
            wanted=lambda name: wanted(name.key, name.element),
            on_bad=lambda error: self.unreadable.add(str(error)),
        )

    def starts(self, job: str) -> Counter[str]:
        """Return how often elements of a job have started, by submission: one listing of a folder."""
        return Counter(name.key for name in started_attempts(self.paths.attempts, job))


def write_submission(run: RunPaths, submission: Submission) -> None:
    """Record a submission, or complete the record of an intended one."""
    write_json(run.submissions / submission.job / f"{submission.key}.json", asdict(submission))


def drop_submission(run: RunPaths, submission: Submission) -> None:
    """Remove the record of an intended submission that never reached the scheduler."""
    (run.submissions / submission.job / f"{submission.key}.json").unlink()


def write_assignment(run: RunPaths, submission: Submission, assignment: Assignment) -> None:
    """Record what the worker needs to run a submission's elements, so that an element reads its own part alone.

    The parts' file begins with an index: the offset of every part and of the end, PLACE_CHARS bytes each.
    """
    write_json(run.assignment(submission.job, submission.key), assignment.job)
    lines = [f"{_compact(part)}\n".encode() for part in (assignment.common, *assignment.elements)]
    offsets = list(accumulate(map(len, lines), initial=PLACE_CHARS * (len(lines) + 1)))
    index = "".join(f"{offset:>{PLACE_CHARS - 1}}\n" for offset in offsets)
    write_atomic(run.assigned_parts(submission.job, submission.key), b"".join((index.encode(), *lines)))


def read_assignment(run: RunPaths, job: str, key: str) -> dict[str, Any]:
    """Return what all elements of a submission share, without what they read.

    Raises DataError for a submission that the ledger does not hold.
    """
    try:
        return dict(read_json(run.assignment(job, key)))
    except FileNotFoundError as error:
        raise DataError(error.filename, "the ledger holds no such array", "Cancel the array with scancel") from None


def read_part(run: RunPaths, job: str, key: str, part: int) -> Any:
    """Return one part of an assignment: 0 for the inputs that all elements share, i + 1 for the units of element i."""
    with run.assigned_parts(job, key).open("rb") as file:
        file.seek(PLACE_CHARS * part)
        start, end = int(file.read(PLACE_CHARS)), int(file.read(PLACE_CHARS))
        file.seek(start)
        return json.loads(file.read(end - start))


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def claim(run: RunPaths, key: str, array: str) -> str:
    """Return the array that a submission belongs to: `array`, unless an earlier one came first.

    sbatch may hand over an array and fail all the same, so that a submission comes twice.
    """
    run.claims.mkdir(parents=True, exist_ok=True)
    try:
        run.claim(key).symlink_to(array)  # made in one step, with its content
    except FileExistsError:
        return claimed(run, key)
    return array


def claimed(run: RunPaths, key: str) -> str:
    """Return the array whose elements work on a submission, "" if none has begun."""
    try:
        return str(run.claim(key).readlink())
    except FileNotFoundError:
        return ""


def last_number(submissions: Iterable[Submission]) -> int:
    """Return the highest number that a submission of the run has, 0 if there is none yet."""
    return max((entry.number for entry in submissions), default=0)


def write_cancel(run: RunPaths, key: str, when: float) -> None:
    """Record that the user cancelled a submission: its elements do nothing more, whenever they start."""
    write_json(run.cancel(key), {"cancelled": when})


def write_cancel_of_all(run: RunPaths, when: float) -> None:
    """Record that the user cancelled the run: a launcher that is at work submits and starts nothing more."""
    write_cancel(run, f"run-{secrets.token_hex(4)}", when)


def is_cancelled(run: RunPaths, key: str) -> bool:
    """Return whether a submission was cancelled."""
    return run.cancel(key).exists()


def read_cancels(run: RunPaths) -> frozenset[str]:
    """Return the keys of cancelled submissions, and a name for each time that the run was cancelled."""
    return frozenset(path.stem for path in run.cancels.glob("*.json"))


def boot_id() -> str:
    """Return the identity of this machine since it was started, "" where there is no /proc (macOS)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def read_cancels_of_run(run: RunPaths) -> frozenset[str]:
    """Return a name for each time that the run as a whole was cancelled."""
    return frozenset(path.stem for path in run.cancels.glob("run-*.json"))


def process_identity(pid: int) -> str:
    """Return a text that is equal only for the very same process on the same boot, "" if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return _portable_identity(pid)
    return "" if fields[0] == "Z" else f"{boot_id()}:{pid}:{fields[19]}"


def _portable_identity(pid: int) -> str:
    """Return the identity where there is no /proc (macOS): the bare pid, while it lives."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return str(pid)
