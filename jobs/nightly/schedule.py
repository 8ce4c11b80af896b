"""When a night begins: an entry of scrontab or cron, or a Slurm job that submits its successor.

Each way calls `launch.py nightly ... --once`. Installing again replaces the entry of the same run.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from jobs.plan.cluster import Cluster
from jobs.submit import slurm
from stages.shared.errors import ClusterError, ConfigError, StagecoachError

Way = Literal["scrontab", "cron", "slurm"]
WAYS: tuple[Way, ...] = get_args(Way)
_PROGRAMS: dict[Way, str] = {"scrontab": "scrontab", "cron": "crontab"}
_EMPTY = re.compile(r"no s?crontab", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run's nights."""

    run_id: str
    name: str
    at: tuple[int, int]
    """Hour and minute of the machine's clock."""
    folder: Path
    """Working directory of the command."""
    words: tuple[str, ...]
    """The command of one night."""
    log: Path

    @property
    def mark(self) -> str:
        """Names the entry among others in a table or in Slurm's queue."""
        return f"stagecoach-nightly:{self.run_id}"

    @property
    def line(self) -> str:
        """The command as one line for a shell."""
        return f"cd {shlex.quote(str(self.folder))} && {shlex.join(self.words)} >>{shlex.quote(str(self.log))} 2>&1"


def parse_time(text: str) -> tuple[int, int]:
    """Return the hour and the minute of `02:00`. Raises ConfigError."""
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", text)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise ConfigError("--at", text, "a time of the day, for example 02:00")
    return int(found[1]), int(found[2])


def choose(asked: str | None, cluster: Cluster) -> Way:
    """Return the way that was asked for, else the first that works here. Raises ConfigError if none does."""
    if asked is not None:
        if asked == "slurm" and cluster.kind != "slurm":
            raise ConfigError("--by", asked, f"cron, since {cluster.name} has no Slurm")
        return next(way for way in WAYS if way == asked)
    if cluster.kind == "slurm":
        return "scrontab" if _is_allowed("scrontab") else "slurm"
    if _is_allowed("cron"):
        return "cron"
    raise ConfigError("--by", None, "cron, and this machine has no crontab: call `nightly ... --once` by other means")


def _is_allowed(way: Way) -> bool:
    try:
        _table(way)
    except StagecoachError:
        return False
    return True


def install(way: Way, entry: Entry, options: Sequence[str] = ()) -> None:
    """Put the entry into a table, in the place of its earlier one. `options` are lines before it, such as #SCRON's."""
    _change(way, lambda table: with_block(table, entry.mark, [*options, cron_line(entry)]))


def remove(way: Way, mark: str) -> bool:
    """Take an entry out of a table; return whether there was one. A machine without the program has none."""
    if shutil.which(_PROGRAMS[way]) is None:
        return False
    before = _table(way)
    _change(way, lambda table: with_block(table, mark, []))
    return f"# {mark} begin" in before


def cron_line(entry: Entry) -> str:
    """Return the entry's line. In a crontab % is a line break unless a backslash stands before it."""
    escaped = entry.line.replace("%", r"\%")
    return f"{entry.at[1]} {entry.at[0]} * * * {escaped}"


def with_block(table: str, mark: str, lines: Sequence[str]) -> str:
    """Return a table in which these lines, and no others, stand between the begin and the end of the mark."""
    begin, end = f"# {mark} begin", f"# {mark} end"
    kept, inside = [], False
    for line in table.splitlines():
        inside = inside or line == begin
        if not inside:
            kept.append(line)
        inside = inside and line != end
    block = [begin, *lines, end] if lines else []
    return "".join(f"{line}\n" for line in [*kept, *block])


def _table(way: Way) -> str:
    done = _call(way, "-l")
    if done.returncode and not _EMPTY.search(done.stderr):
        raise ClusterError(f"{_PROGRAMS[way]} -l failed: {(done.stderr.strip() or 'without a word').splitlines()[-1]}")
    return "" if done.returncode else done.stdout


def _change(way: Way, change: Callable[[str], str]) -> None:
    done = _call(way, "-", text=change(_table(way)))
    if done.returncode:
        raise ClusterError(f"{_PROGRAMS[way]} refused: {(done.stderr.strip() or 'without a word').splitlines()[-1]}")


def _call(way: Way, argument: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    program = _PROGRAMS[way]
    try:
        return subprocess.run(
            [program, argument], input=text, capture_output=True, text=True, timeout=slurm.TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"{program} cannot be called here: {error}") from error
