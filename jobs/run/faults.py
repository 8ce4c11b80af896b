"""Faults planted on purpose, to show and to test that a run survives them.

`--fault pretrain@120:kill` makes the worker kill itself (SIGKILL, no clean-up, as a dying node would) when the first
unit of pretrain reports progress 120; `web.filter/3:fail` makes the unit in place 3 fail when it starts. A unit is also
named by its key. Each fires once, in one run.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from jobs.paths import RunPaths
from stages.shared.errors import ConfigError
from stages.shared.files import read_json, write_json

FORM = re.compile(r"(?P<job>[^/@:]+)(/(?P<unit>[^@:]+))?(@(?P<progress>\d+))?:(?P<kind>kill|fail|never)")


class PlantedFailure(Exception):  # noqa: N818  (deliberately not one of the user's errors: it stands for a bug)
    """A failure that was asked for with --fault."""


@dataclass(frozen=True)
class Fault:
    """One planted fault."""

    job: str
    unit: str
    """Key or place of the unit."""
    progress: int
    """Fires at the first report of at least this much; 0 is the start of the unit."""
    kind: str

    @property
    def name(self) -> str:
        """A file name for the mark that it has fired."""
        return f"{self.job}-{quote(self.unit, safe='')}-{self.progress}-{self.kind}"


def parse_fault(text: str) -> Fault:
    """Return the fault written as JOB[/UNIT][@PROGRESS]:kill|fail|never. Raises ConfigError."""
    found = FORM.fullmatch(text)
    if found is None:
        raise ConfigError("--fault", text, "JOB[/UNIT][@PROGRESS]:kill|fail|never, such as pretrain@120:kill")
    return Fault(found["job"], found["unit"] or "0", int(found["progress"] or 0), found["kind"])


def plant(run: RunPaths, faults: list[Fault]) -> None:
    """Add faults to a run; one that is planted already, fired or not, stays as it is."""
    for fault in faults:
        path = run.faults / f"{fault.name}.json"
        if not path.exists():
            write_json(path, asdict(fault))


def planted(run: RunPaths, job: str, key: str, place: int) -> list[Fault]:
    """Return the faults that wait for a unit."""
    found = map(_read, sorted(run.faults.glob("*.json")))
    return [
        fault
        for fault in found
        if fault is not None
        and fault.job == job
        and fault.unit in (key, str(place))
        and not _fired(run, fault).exists()
    ]


def _read(path: Path) -> Fault | None:
    try:
        return Fault(**read_json(path))
    except (ValueError, TypeError):  # a planted fault is no reason for another one
        return None


def fire_due(run: RunPaths, faults: list[Fault], progress: int) -> None:
    """Fire the first fault whose time has come, if any; the mark that it fired is on disk before it does."""
    for fault in faults:
        if progress >= fault.progress and _claim(_fired(run, fault)):
            if fault.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault.kind == "never":
                raise ConfigError(f"--fault {fault.job}/{fault.unit}", fault.kind, "no planted fault")
            raise PlantedFailure(f"planted with --fault at progress {progress}")


def _fired(run: RunPaths, fault: Fault) -> Path:
    return run.faults / f"{fault.name}.fired"


def _claim(mark: Path) -> bool:
    """Create the mark; False if another rank or attempt was first."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True
