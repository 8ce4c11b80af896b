"""The records of attempts, the ledger's larger half: one attempt is one start of one element of an array.

    ledger/attempts/<job>/<key>.<element>.<restart>.<record>[-<lane>].json

    start      the worker, before its first unit
    progress   the worker, while it runs: the best progress of its present unit
    result     the worker, when it ends by itself
    trouble    the first rank that fails, where several ranks work on one unit
    end        the batch script, after the worker is gone, however it went

Every file has one writer and is renamed into place. Those of a finished run lie in `<job>.packed` under the same names
(stages/shared/packed.py). Standard library only: login nodes and the report read this format.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError, strongest
from stages.shared.files import read_json, write_json
from stages.shared.packed import packed_names, read_packed

START, PROGRESS, RESULT, TROUBLE, END = RECORDS = ("start", "progress", "result", "trouble", "end")
PACKED = ".packed"
FILE = re.compile(
    rf"(?P<key>[^.]+)\.(?P<element>\d+)\.(?P<restart>\d+)\.(?P<record>{'|'.join(RECORDS)})(?:-(?P<lane>\d+))?\.json"
)


@dataclass(frozen=True, order=True, slots=True)
class AttemptName:
    """Names one attempt of a run."""

    job: str
    key: str
    """Key of the submission."""
    element: int
    restart: int

    def spare(self, folder: Path) -> Path:
        """Return the file that keeps room on the disk for the attempt's last records."""
        return folder / self.job / f".{self.key}.{self.element}.{self.restart}.spare"

    def path(self, folder: Path, record: str, lane: int = 0) -> Path:
        """Return the file of one of the attempt's records; `folder` holds the attempts of the run.

        Processes that work on an element's units side by side (lanes) have a progress and a result each.
        """
        of_lane = f"-{lane}" if lane else ""
        return folder / self.job / f"{self.key}.{self.element}.{self.restart}.{record}{of_lane}.json"


@dataclass(frozen=True, kw_only=True)
class StartRecord:
    """Who started what, where and when."""

    fingerprint: str
    """Identity of the step."""
    units: tuple[str, ...]
    """Keys of the units that the element works through, in order."""
    slurm_id: str = ""
    """`<array id>_<element>`; empty without Slurm."""
    node: str = ""
    """The worker's own node."""
    nodes: str = ""
    """All nodes of the allocation, as Slurm abbreviates them."""
    pid: int = 0
    process: str = ""
    """Identity of the worker's process; see `process_identity` in jobs/submit/ledger.py."""
    started: float
    """Unix seconds."""


@dataclass(frozen=True, kw_only=True)
class ProgressRecord:
    """How far the present unit is."""

    progress: int


@dataclass(frozen=True, kw_only=True)
class ResultRecord:
    """What a worker reports of its units when it ends by itself."""

    exit_code: int
    failed: Mapping[str, str]
    """Reason by key of a unit that failed."""
    signal: str = ""
    """Name of the signal that asked the worker to stop."""


@dataclass(frozen=True, kw_only=True)
class TroubleRecord:
    """Why the first of several ranks failed, and on which node."""

    exit_code: int
    reason: str
    node: str


@dataclass(frozen=True, kw_only=True)
class EndRecord:
    """What came of an attempt."""

    ended: float
    """Unix seconds."""
    exit_code: int
    verdict: str
    """done, requeue, never, failed, bad-node, cancelled or lost."""
    reason: str
    progress: int
    """The best progress, -1 if there is none."""


Record = StartRecord | ProgressRecord | ResultRecord | TroubleRecord | EndRecord
TYPES: Mapping[type[Record], str] = {
    StartRecord: START,
    ProgressRecord: PROGRESS,
    ResultRecord: RESULT,
    TroubleRecord: TROUBLE,
    EndRecord: END,
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One start of one array element, as far as it got. A record that is not there or was not asked for is None."""

    name: AttemptName
    start: StartRecord | None = None
    progress: int = -1
    """Best progress reported, added up over lanes; -1 if none."""
    result: ResultRecord | None = None
    """Of all lanes together: the strongest exit code, and every unit that failed."""
    num_results: int = 0
    """Lanes that have reported a result."""
    trouble: TroubleRecord | None = None
    end: EndRecord | None = None

    @property
    def started(self) -> float:
        """Unix seconds of the start; of the end if the worker did not get as far as its start record."""
        if self.start is not None:
            return self.start.started
        return self.end.ended if self.end is not None else 0.0


def write_record(folder: Path, name: AttemptName, record: Record, lane: int = 0) -> None:
    """Write one record of an attempt, replacing an earlier one; `folder` holds the attempts of the run."""
    write_json(name.path(folder, TYPES[type(record)], lane), asdict(record))


def read_attempts(
    folder: Path,
    jobs: Iterable[str] | None = None,
    records: Collection[str] = RECORDS,
    wanted: Callable[[AttemptName], bool] = lambda name: True,
    on_bad: Callable[[DataError], None] | None = None,
) -> list[Attempt]:
    """Return the attempts under `folder` in order of start: of `jobs` only if given, and only those that are `wanted`.

    Opens no file but the `records` of the wanted attempts. Raises DataError, naming the file, for one that is no such
    record; with `on_bad`, calls that instead, and the attempt is without the record.
    """
    names = sorted({name.removesuffix(PACKED) for name in _file_names(folder)}) if jobs is None else jobs
    attempts = [attempt for job in names for attempt in _attempts_of(folder, job, records, wanted, on_bad)]
    return sorted(attempts, key=lambda attempt: (attempt.started, attempt.name))


def packed_attempts(folder: Path, job: str) -> Path:
    """Return the file of a job's packed records."""
    return folder / f"{job}{PACKED}"


def started_attempts(folder: Path, job: str) -> list[AttemptName]:
    """Return the attempts of a job that have begun, in no order. Lists a folder and opens no file but a packed one."""
    names = {*_file_names(folder / job), *packed_names(packed_attempts(folder, job))}
    matches = filter(None, map(FILE.fullmatch, names))
    return [_name_of(job, match) for match in matches if match["record"] == START]


def read_attempts_of_element(
    folder: Path, last: AttemptName, lanes: int, on_bad: Callable[[DataError], None] | None = None
) -> list[Attempt]:
    """Return the attempts of one element up to `last`, in order of restart. `lanes` worked side by side in each.

    Looks for their files by name and lists no folder: a job of 100,000 elements has 400,000 files. Records that
    are none are treated as in `read_attempts`.
    """
    found = []
    for restart in range(last.restart + 1):
        name = replace(last, restart=restart)
        files = [(record, lane) for record in RECORDS for lane in range(lanes if record in (PROGRESS, RESULT) else 1)]
        present = [(record, lane) for record, lane in files if name.path(folder, record, lane).exists()]
        if present:
            found.append(_attempt(folder, name, present, RECORDS, on_bad, {}))
    return found


def _attempts_of(
    folder: Path,
    job: str,
    records: Collection[str],
    wanted: Callable[[AttemptName], bool],
    on_bad: Callable[[DataError], None] | None,
) -> Iterable[Attempt]:
    found: dict[AttemptName, list[tuple[str, int]]] = {}
    files = _file_names(folder / job)
    packed = read_packed(packed_attempts(folder, job))  # behind the listing, see packed.py
    for file in {*files, *packed}:
        if match := FILE.fullmatch(file):
            name = _name_of(job, match)
            if wanted(name):
                found.setdefault(name, []).append((match["record"], int(match["lane"] or 0)))
    return (_attempt(folder, name, present, records, on_bad, packed) for name, present in found.items())


def _name_of(job: str, match: re.Match[str]) -> AttemptName:
    return AttemptName(job, match["key"], int(match["element"]), int(match["restart"]))


def _attempt(
    folder: Path,
    name: AttemptName,
    present: Iterable[tuple[str, int]],
    records: Collection[str],
    on_bad: Callable[[DataError], None] | None,
    packed: Mapping[str, str],
) -> Attempt:
    """Return an attempt from its files, given by record and lane, or from packed records by file name."""
    values: dict[str, list[Any]] = {}
    for record, lane in sorted(present):
        if record not in records:
            continue
        try:
            values.setdefault(record, []).append(_read(name.path(folder, record, lane), record, packed))
        except DataError as error:
            if on_bad is None:
                raise
            values.pop(record, None)
            on_bad(error)
    return Attempt(
        name=name,
        start=_first(values, START),
        progress=sum(values.get(PROGRESS, [-1])),
        result=_together(values.get(RESULT, [])),
        num_results=len(values.get(RESULT, [])),
        trouble=_first(values, TROUBLE),
        end=_first(values, END),
    )


def _first(values: Mapping[str, Sequence[Any]], record: str) -> Any:
    return values[record][0] if record in values else None


def _together(results: Sequence[ResultRecord]) -> ResultRecord | None:
    if not results:
        return None
    return ResultRecord(
        exit_code=strongest(result.exit_code for result in results),
        failed={unit: reason for result in results for unit, reason in result.failed.items()},
        signal=next((result.signal for result in results if result.signal), ""),
    )


def _file_names(folder: Path) -> list[str]:
    """Return the names in a folder, none if it does not exist; thrice as fast as a Path for each."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except FileNotFoundError:
        return []


def _read(path: Path, record: str, packed: Mapping[str, str]) -> Any:
    try:
        return PARSERS[record](json.loads(packed[path.name]) if path.name in packed else read_json(path))
    except OSError as error:
        raise DataError(path, f"unreadable ({error.strerror})", "Look at the file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a {record} record of an attempt ({error!r})", "Move the file away") from error


def _start(value: dict[str, Any]) -> StartRecord:
    return StartRecord(
        fingerprint=str(value["fingerprint"]),
        units=tuple(map(str, value["units"])),
        slurm_id=str(value.get("slurm_id", "")),
        node=str(value.get("node", "")),
        nodes=str(value.get("nodes", "")),
        pid=int(value.get("pid", 0)),
        process=str(value.get("process", "")),
        started=float(value["started"]),
    )


def _progress(value: dict[str, Any]) -> int:
    return int(value["progress"])


def _result(value: dict[str, Any]) -> ResultRecord:
    failed = {str(unit): str(reason) for unit, reason in value["failed"].items()}
    return ResultRecord(exit_code=int(value["exit_code"]), failed=failed, signal=str(value.get("signal", "")))


def _trouble(value: dict[str, Any]) -> TroubleRecord:
    return TroubleRecord(exit_code=int(value["exit_code"]), reason=str(value["reason"]), node=str(value["node"]))


def _end(value: dict[str, Any]) -> EndRecord:
    return EndRecord(
        ended=float(value["ended"]),
        exit_code=int(value["exit_code"]),
        verdict=str(value["verdict"]),
        reason=str(value.get("reason") or ""),
        progress=int(value["progress"]),
    )


PARSERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    START: _start,
    PROGRESS: _progress,
    RESULT: _result,
    TROUBLE: _trouble,
    END: _end,
}
