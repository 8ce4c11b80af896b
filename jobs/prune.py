"""Files of a run that its present recipe does not use: units of earlier settings or inputs, beside finished ones.

superseded(run, states) -> what goes      remove(unit)      the mark first: nothing half removed counts as done
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.paths import StepPaths
from jobs.runs import Run
from jobs.submit.reconcile import States


@dataclass(frozen=True)
class Superseded:
    """One unit that an earlier recipe made."""

    job: str
    step: StepPaths
    unit: str
    """Its folder."""
    num_bytes: int

    @property
    def folders(self) -> tuple[Path, ...]:
        """The unit's files."""
        return self.step.unit(self.unit), self.step.published(self.unit), self.step.work(self.unit)


def superseded(run: Run, states: States) -> list[Superseded]:
    """Return the units that can go: only of jobs that are finished, since others may go on from them."""
    found = []
    for name, job in run.graph.jobs.items():
        if all(state.state == "done" for state in states[name].values()):
            present = run.paths.step(name, job.fingerprint).root
            for step in map(StepPaths, sorted(present.parent.iterdir())):
                used = job.units.keys() if step.root == present else ()
                found += [
                    Superseded(name, step, unit, _size(step, unit)) for unit in sorted(_units(step)) if unit not in used
                ]
    return found


def remove(unit: Superseded) -> None:
    """Remove a unit's files, and with the last unit of its step what they shared."""
    unit.step.remove_mark(unit.unit)
    for folder in unit.folders:
        shutil.rmtree(folder, ignore_errors=True)
    unit.step.lease(unit.unit).unlink(missing_ok=True)
    if not _units(unit.step):
        shutil.rmtree(unit.step.shared, ignore_errors=True)


def _units(step: StepPaths) -> frozenset[str]:
    return step.done_units() | step.started_units()


def _size(step: StepPaths, unit: str) -> int:
    """Return the bytes that the removal gives back: a file with several names counts once, and only if all go."""
    names: dict[tuple[int, int], list[int]] = {}
    for path in _files(Superseded("", step, unit, 0)):
        status = path.lstat()
        names.setdefault((status.st_dev, status.st_ino), []).append(status.st_size)
        if len(names[status.st_dev, status.st_ino]) == status.st_nlink:
            names[status.st_dev, status.st_ino].append(-1)
    return sum(sizes[0] for sizes in names.values() if sizes[-1] == -1)


def _files(unit: Superseded) -> Iterator[Path]:
    for folder in unit.folders:
        yield from (path for path in folder.rglob("*") if path.is_file())
