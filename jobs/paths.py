"""Paths of a run: the only module that knows a file name inside a run folder.

runs/<run>/
  run.json                        recipe, cluster and input files as they were asked for
  code/<digest>/                  the code that was submitted, and therefore runs
  steps/<job>/<fingerprint>/      step.json  units/<unit>/...  done/<unit>.json  done.packed  aside/  lease/  work/
                                  published/  rolls/  shared/
  ledger/submissions/<job>/       <key>.json, one for each array handed to the scheduler
  ledger/assignments/<job>/       <key>.json and <key>.parts, the same array as the worker needs it
  ledger/claims/<key>             link to the id of the array that works on a submission
  ledger/attempts/<job>/          <key>.<element>.<restart>.{start,progress,result,trouble,end}.json
  ledger/attempts/<job>.packed    those of a finished run: stages/shared/packed.py
  answers/<section>/              what a teacher answered: stages/teacher/asking.py
  report.html                     the newest report
  scripts/ logs/<job>/            the batch scripts as submitted; one log for each array element
  logs/<job>/packed.zip           the logs of a finished run

A unit's folder is named after its key and its identity, so that what is done stays done however the run grows.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.formats.attempts import packed_attempts
from stages.shared.files import read_json
from stages.shared.packed import one_packed, packed_names, packed_text, read_packed, write_packed

UNSAFE = re.compile(r"[^A-Za-z0-9_.+=~-]")
PACKED_LOGS = "packed.zip"
"""The logs of a job in a finished run: jobs/upkeep/packing.py."""
KEY_CHARS = 80
"""Longest part of a key in a folder's name; file systems take 255 bytes."""


def unit_folder(key: str, identity: str) -> str:
    """Return a unit's folder name: its key, as far as it is safe in a file name, and the start of its identity."""
    return f"{_safe(key)}.{identity[:12]}"


def same_key(one: str, other: str) -> bool:
    """Return whether two units' folders are of one key."""
    return one.rpartition(".")[0] == other.rpartition(".")[0]


@functools.cache  # fellows have one key: the steps of a web stage, four
def _safe(key: str) -> str:
    return UNSAFE.sub("_", key)[-KEY_CHARS:].lstrip(".") or "_"


@dataclass(frozen=True)
class RunPaths:
    """A run folder."""

    root: Path

    @property
    def run_json(self) -> Path:
        """The run's own record."""
        return self.root / "run.json"

    @property
    def report(self) -> Path:
        """The newest report, or a link to it."""
        return self.root / "report.html"

    @property
    def lock(self) -> Path:
        """Held by the launcher that is at work, and names its process."""
        return self.root / ".lock"

    @property
    def code(self) -> Path:
        """Snapshots of the code, by digest."""
        return self.root / "code"

    @property
    def submissions(self) -> Path:
        """Submission records, a folder for each job."""
        return self.root / "ledger" / "submissions"

    @property
    def attempts(self) -> Path:
        """Attempt records, a folder for each job: stages/formats/attempts.py."""
        return self.root / "ledger" / "attempts"

    @property
    def adjustments(self) -> Path:
        """One file for each call of `adjust`."""
        return self.root / "ledger" / "adjustments"

    @property
    def strikes(self) -> Path:
        """One file for each element that has found a node bad."""
        return self.root / "ledger" / "strikes"

    @property
    def cancels(self) -> Path:
        """One file for each cancelled submission."""
        return self.root / "ledger" / "cancels"

    def cancel(self, key: str) -> Path:
        """Return the mark of a cancelled submission."""
        return self.cancels / f"{key}.json"

    @property
    def claims(self) -> Path:
        """One link for each submission that has begun on Slurm; its target is the array's id."""
        return self.root / "ledger" / "claims"

    def claim(self, key: str) -> Path:
        """Return the link that names the array of a submission."""
        return self.claims / key

    @property
    def faults(self) -> Path:
        """Faults planted on purpose, and the marks of those that fired."""
        return self.root / "ledger" / "faults"

    @property
    def scripts(self) -> Path:
        """Batch scripts as they were submitted; submitit's folder."""
        return self.root / "scripts"

    def step(self, job: str, fingerprint: str) -> StepPaths:
        """Return the folder of a job with certain settings."""
        return StepPaths(self.root / "steps" / job / fingerprint[:12])

    def assignment(self, job: str, key: str) -> Path:
        """Return what all elements of a submission share."""
        return self.root / "ledger" / "assignments" / job / f"{key}.json"

    def assigned_parts(self, job: str, key: str) -> Path:
        """Return the file of parts of a submission; an element's worker reads its own part."""
        return self.assignment(job, key).with_suffix(".parts")

    def packed_attempts(self, job: str) -> Path:
        """Return the file of a job's attempts in a finished run."""
        return packed_attempts(self.attempts, job)

    def packed_logs(self, job: str) -> Path:
        """Return the archive of a job's logs in a finished run."""
        return self.logs(job) / PACKED_LOGS

    def logs(self, job: str) -> Path:
        """Return the folder of a job's logs, one file for each array element."""
        return self.root / "logs" / job

    def log(self, job: str, key: str, element: int | str) -> Path:
        """Return the log of an array element, or the pattern of all if `element` is a placeholder."""
        return self.logs(job) / f"{key}.{element}.log"


@dataclass(frozen=True)
class StepPaths:
    """The folder of one step with certain settings. Units are named by their folders."""

    root: Path

    @property
    def step_json(self) -> Path:
        """What the step's fingerprint digests, to explain a change."""
        return self.root / "step.json"

    @property
    def estimates(self) -> Path:
        """What its submitted units were estimated to cost: jobs/costs.py."""
        return self.root / "estimates.json"

    @property
    def done(self) -> Path:
        """Folder of completion marks."""
        return self.root / "done"

    def unit(self, unit: str) -> Path:
        """Return the folder that holds a finished unit's files."""
        return self.root / f"units/{unit}"  # one join: a plan of a dump makes hundreds of thousands

    @property
    def packed_marks(self) -> Path:
        """The completion marks of a finished run, in one file."""
        return self.root / "done.packed"

    def is_marked(self, unit: str) -> bool:
        """Return whether a unit has a completion mark."""
        return self.mark(unit).exists() or packed_text(self.packed_marks, unit) is not None

    def read_mark(self, unit: str) -> Any:
        """Return a unit's completion mark. Raises FileNotFoundError if it has none, ValueError if it is damaged."""
        try:
            return read_json(self.mark(unit))
        except FileNotFoundError:
            return one_packed(self.packed_marks, unit)

    def remove_mark(self, unit: str) -> None:
        """Remove a unit's completion mark, if it has one."""
        packed = read_packed(self.packed_marks)
        if packed.pop(unit, None) is not None:
            write_packed(self.packed_marks, packed.items())
        self.mark(unit).unlink(missing_ok=True)

    def mark(self, unit: str) -> Path:
        """Return a unit's completion mark."""
        return self.done / f"{unit}.json"

    def published(self, unit: str) -> Path:
        """Return the folder of what a unit offers to others while it runs. What has its final name is complete."""
        return self.root / f"published/{unit}"

    def lease(self, unit: str) -> Path:
        """Return the file that names the attempt which may write this unit."""
        return self.root / "lease" / f"{unit}.json"

    def work(self, unit: str) -> Path:
        """Return a unit's folder that survives attempts."""
        return self.root / "work" / unit

    @property
    def shared(self) -> Path:
        """Folder of what the units share."""
        return self.root / "shared"

    def asides(self, unit: str) -> Path:
        """Return the folder of what attempts of a unit have half-written."""
        return self.root / "aside" / unit

    def aside(self, unit: str, token: str) -> Path:
        """Return the folder that one attempt writes to before it is renamed."""
        return self.asides(unit) / token

    def roll(self, digest: str) -> Path:
        """Return the list of all units of the step, in order, as one reader of all of them was planned."""
        return self.root / "rolls" / f"{digest[:12]}.json"

    def marked_units(self) -> frozenset[str]:
        """Return the units that have a completion mark: one listing of one folder, and then one file."""
        return frozenset(_stems(self.done)) | packed_names(self.packed_marks)

    def started_units(self) -> frozenset[str]:
        """Return the units that an attempt has begun: each has a lease, or a packed mark."""
        return frozenset(_stems(self.root / "lease")) | packed_names(self.packed_marks)

    def last_start(self, unit: str) -> float:
        """Return when a unit that has begun was started last, or packed, in Unix seconds."""
        lease = self.lease(unit)
        return (lease if lease.exists() else self.packed_marks).stat().st_mtime

    def unit_folders(self) -> frozenset[str]:
        """Return the units that have a folder: one listing of one folder."""
        return frozenset(_names(self.root / "units"))

    def done_units(self) -> frozenset[str]:
        """Return the finished units: those with a mark and a folder."""
        return self.marked_units() & self.unit_folders()

    def published_outputs(self) -> frozenset[str]:
        """Return what units have published so far, as `<unit>/<name>`."""
        folder = self.root / "published"
        if not folder.is_dir():
            return frozenset()
        names = (path for unit in folder.iterdir() for path in unit.iterdir())
        return frozenset(f"{path.parent.name}/{path.name}" for path in names if not path.name.startswith("."))


def _stems(folder: Path) -> Iterable[str]:
    """Return the names of a folder's JSON files, without those that are still being written."""
    return (name[: -len(".json")] for name in _names(folder) if name.endswith(".json") and not name.startswith("."))


def _names(folder: Path) -> Sequence[str]:
    """Return the names in a folder, none if there is no such folder."""
    try:
        return os.listdir(folder)  # noqa: PTH208  (a path for each of 100,000 names takes ten times as long)
    except FileNotFoundError:
        return ()
