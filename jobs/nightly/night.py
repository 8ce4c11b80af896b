"""One night: brings a run up to date with its newest checkpoints, reads the alarm, rings the bell, leaves a record.

The record, nightly.json in the run's folder, is the dead man's handle: what watches over the nights looks at its `due`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from jobs.display import log
from jobs.nightly.bell import Bell
from jobs.paths import RunPaths
from jobs.runs import Run
from stages.formats.alarms import AlarmReport, read_alarm
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError, StagecoachError
from stages.shared.files import read_json, write_json

EXIT_ALARM = 3
"""Exit code of a night on which an alarm stands."""
_LATE = timedelta(hours=2)
"""Time after which a night that is due counts as missed."""


@dataclass(frozen=True, kw_only=True)
class NightRecord:
    """A run's last night."""

    began: str
    """Time, ISO 8601 with zone, as all times here."""
    ended: str = ""
    """Empty while the night is at work, and after it was killed."""
    due: str
    """Time at which the next one begins."""
    state: str = ""
    """`early`, `calm`, `watch`, `alarm`; `failed` if units failed; `none` for a recipe without an alarm."""
    message: str = ""
    alarmed: tuple[str, ...] = ()
    """Tasks for which the bell has rung and whose alarm stands."""
    bell: str = ""
    """Why the bell could not ring."""


def record_path(paths: RunPaths) -> Path:
    """Return the file of the last night's record."""
    return paths.root / "nightly.json"


def read_record(paths: RunPaths) -> NightRecord | None:
    """Return the last night, or None. Raises DataError for a damaged record."""
    path = record_path(paths)
    if not path.is_file():
        return None
    value = read_json(path)
    try:
        return NightRecord(**{**value, "alarmed": tuple(value.get("alarmed", ()))})
    except (TypeError, AttributeError) as error:
        raise DataError(
            path, f"not the record of a night ({error})", "Remove it: the next night writes another"
        ) from error


def line_of(record: NightRecord, now: datetime) -> str:
    """Return a line on a run's nights, for `status`."""
    if now > datetime.fromisoformat(record.due) + _LATE:
        return f"nightly: no night since {record.began}, one was due at {record.due}. Look at its scheduler and its log"
    if not record.ended:
        return f"nightly: at work since {record.began}"
    return f"nightly: {record.message}. Next at {record.due}"


def one_night(run: Run, advance: Callable[[], int], bell: Bell, next_at: datetime) -> int:
    """Do one night's work and return its exit code: 0, EXIT_ALARM, or that of `advance` if units failed.

    A night during another one of the same run does nothing. Raises what `advance` raises, after it is on record.
    """
    with _alone(run.paths) as is_alone:
        if not is_alone:
            log(f"{run.name}: another night is at work")
            return 0
        before = read_record(run.paths)
        now = datetime.now().astimezone()
        record = NightRecord(
            began=_text(now), due=_text(next_at), alarmed=before.alarmed if before else (), message="at work"
        )
        write_json(record_path(run.paths), asdict(record))
        try:
            code = advance()
        except StagecoachError as error:
            _end(run, replace(record, state="failed", message=str(error)), bell, rings=True)
            raise
        record, rings = _judge(record, code, alarm_of(run))
        record = _end(run, record, bell, rings)
        log(record.message)
        return EXIT_ALARM if record.state == "alarm" else code


def alarm_of(run: Run) -> AlarmReport | None:
    """Return the newest alarm report of a run; None if its recipe makes none, or it is not done."""
    path = run.made(KINDS.alarm)
    return read_alarm(path) if path and path.is_file() else None


def _judge(record: NightRecord, code: int, report: AlarmReport | None) -> tuple[NightRecord, bool]:
    """Return the record of a night's end, and whether the bell rings: for failed units, and for tasks new in alarm."""
    if code:
        return replace(record, state="failed", message="failed: units need a person, see `launch.py status`"), True
    if report is None:
        return replace(record, state="none", message="done, without an alarm in the recipe"), False
    if report.last is None:
        return replace(record, state="early", message="early: no checkpoint is trained yet"), False
    night = report.last
    named = ", ".join(f"{drop.task} -{100 * drop.loss:.1f} points" for drop in night.drops)
    message = f"{night.state}: {night.checkpoint}" + (f" lost on {named}" if named else "")
    tasks = tuple(drop.task for drop in night.drops) if night.state == "alarm" else ()
    rings = not set(tasks) <= set(record.alarmed)
    return replace(record, state=night.state, message=message, alarmed=tasks), rings


def _end(run: Run, record: NightRecord, bell: Bell, rings: bool) -> NightRecord:
    trouble = bell.ring(run.name, record.message, record_path(run.paths)) if rings else ""
    ended = replace(record, ended=_text(datetime.now().astimezone()), bell=trouble)
    if trouble:
        log(f"the bell could not ring: {trouble}")
        ended = replace(ended, alarmed=())  # it rings on the next night
    write_json(record_path(run.paths), asdict(ended))
    return ended


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


@contextlib.contextmanager
def _alone(paths: RunPaths) -> Iterator[bool]:
    """Hold the run's nights; yield False if another process does."""
    paths.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(paths.root / ".nightly.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def next_time(at: tuple[int, int], now: datetime) -> datetime:
    """Return the next moment of an hour and a minute after `now`."""
    today = now.replace(hour=at[0], minute=at[1], second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
