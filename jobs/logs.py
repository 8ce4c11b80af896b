"""The verb `logs`: a job's log, filtered by rank, level and time. The format is stages/shared/log.py's."""

from __future__ import annotations

import contextlib
import io
import re
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

from jobs.paths import PACKED_LOGS
from stages.shared.errors import ConfigError
from stages.shared.log import LEVELS, LogEntry, as_json, as_text, parse_log

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
STYLES = {"warning": "yellow", "error": "red"}
FOLLOW_S = 0.5


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """Conditions on log entries. A line of another program has no rank and no level: a condition on either drops it."""

    rank: int | None = None
    level: str | None = None
    """The least of LEVELS to show."""
    since: datetime | None = None

    def passes(self, entry: LogEntry) -> bool:
        """Return whether an entry meets all conditions. A job of one rank is rank 0."""
        if self.since and not (entry.time and entry.time >= self.since):
            return False
        if not entry.level:
            return self.rank is None and self.level is None
        if self.rank is not None and self.rank != (entry.rank or 0):
            return False
        return self.level is None or LEVELS.index(entry.level) >= LEVELS.index(self.level)


def parse_since(text: str, now: datetime) -> datetime:
    """Return the time that lies `text`, such as 10m, before `now`. Raises ConfigError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ConfigError("--since", text, "a number of s, m, h or d, such as 10m")
    return now - timedelta(seconds=int(match[1]) * UNITS_S[match[2]])


def newest_log(paths: Sequence[Path]) -> Path | None:
    """Return the log that was written last, of files if there are any, else of packed ones; None if there is none."""
    if written := [path for path in paths if path.is_file()]:
        return max(written, key=lambda path: path.stat().st_mtime)
    times: dict[Path, tuple[int, ...]] = {}
    for archive in {path.with_name(PACKED_LOGS) for path in paths}:
        if archive.is_file():
            with zipfile.ZipFile(archive) as packed:
                times |= {archive.with_name(info.filename): info.date_time for info in packed.infolist()}
    return max((path for path in paths if path in times), key=lambda path: times[path], default=None)


def open_log(path: Path) -> IO[str]:
    """Open a log: its own file, or the one in the archive of a finished run."""
    with contextlib.suppress(FileNotFoundError):
        return path.open(encoding="utf-8", errors="replace")
    with zipfile.ZipFile(path.with_name(PACKED_LOGS)) as packed:
        return io.StringIO(packed.read(path.name).decode(errors="replace"))


def print_log(console: Console, path: Path, wanted: LogFilter, json: bool, follow: bool) -> None:
    """Print the entries of a log that pass. With `follow`, goes on as the log grows, until it is interrupted."""
    for entry in _entries(path, follow):
        if not wanted.passes(entry):
            continue
        text = as_json(entry) if json else as_text(entry)
        if console.is_terminal and not json:
            console.print(Text(text, style=STYLES.get(entry.level, "")), soft_wrap=True)
        else:
            console.file.write(f"{text}\n")


def _entries(path: Path, follow: bool) -> Iterator[LogEntry]:
    with open_log(path) as file:
        while True:
            yield from parse_log(file)
            if not follow:
                return
            time.sleep(FOLLOW_S)
