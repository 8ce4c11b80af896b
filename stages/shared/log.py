"""The log of a job: every message with its time and level, and its rank where several ranks write. Also reads it back.

    2026-11-26 12:30:01 INFO step 100  loss 3.21
    2026-11-26 12:30:07 WARNING rank 3: this rank is slow
    2026-11-26 12:30:09 ERROR rank 3: KeyError: 'tokens'
      Traceback (most recent call last):
        File ...

Further lines of a message are indented, so that every unindented line of ours begins with a time. Control characters
are escaped: text from a page or a library cannot steer a terminal. With STAGECOACH_LOG=json each message is one line of
JSON. Messages go to stderr, one write each: stdout is for answers, such as a verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

FORMAT = "STAGECOACH_LOG"
"""Environment variable: `text` (default) or `json`. The batch script sets it as the cluster file's log_format says."""
LEVELS = ("info", "warning", "error")
INDENT = "  "
HEAD = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (INFO|WARNING|ERROR) (?:rank (\d+): )?(.*)", re.DOTALL)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that steer a terminal or change the order of what it shows, without tab and line break."""


class LogEntry(NamedTuple):
    """One message of a log, or one line that something else wrote into it."""

    time: datetime | None
    """Of a foreign line: the time of the message before it."""
    level: str
    """One of LEVELS; empty for a foreign line."""
    rank: int | None
    """None where one rank writes."""
    message: str
    """May have several lines."""


def info(message: str) -> None:
    """Log progress."""
    _write("info", message)


def warning(message: str) -> None:
    """Log a problem that the job survives."""
    _write("warning", message)


def error(message: str, cause: BaseException | None = None) -> None:
    """Log a failure, with the traceback of its cause."""
    trace = "" if cause is None else "\n" + "".join(traceback.format_exception(cause)).rstrip()
    _write("error", message + trace)


def _write(level: str, message: str) -> None:
    entry = LogEntry(datetime.now().astimezone(), level, _rank(), message)
    line = as_json(entry) if os.environ.get(FORMAT) == "json" else as_text(entry)
    with contextlib.suppress(OSError):  # a log that finds no room costs its messages, not the work
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _rank() -> int | None:
    """Return this process's rank, as srun or jobs.run.ranks sets it; None if it is the only one."""
    get = os.environ.get
    if int(get("STAGECOACH_RANKS") or 1) == 1:
        return None
    return int(get("SLURM_PROCID") or get("STAGECOACH_RANK") or 0)


def as_text(entry: LogEntry) -> str:
    """Return an entry as it stands in a text log, without the last line break."""
    message = printable(entry.message)
    if not entry.level:
        return message
    time = f"{entry.time:%Y-%m-%d %H:%M:%S} " if entry.time else ""
    rank = "" if entry.rank is None else f"rank {entry.rank}: "
    return f"{time}{entry.level.upper()} {rank}" + message.replace("\n", "\n" + INDENT)


def as_json(entry: LogEntry) -> str:
    """Return an entry as one line of JSON. Empty fields are left out."""
    time = entry.time.isoformat(timespec="milliseconds") if entry.time else None
    values = {"time": time, "level": entry.level or None, "rank": entry.rank, "message": entry.message}
    line = json.dumps({key: value for key, value in values.items() if value is not None}, ensure_ascii=False)
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", line)  # JSON leaves those above 0x7e as they are


def printable(text: str) -> str:
    """Return a text with its control characters, except tabs and line breaks, as visible escapes."""
    return CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def parse_log(lines: Iterable[str]) -> Iterator[LogEntry]:
    """Yield the entries of a log, in either format or both."""
    last: LogEntry | None = None
    for line in lines:
        text = line.rstrip("\r\n")
        if last and last.level and text.startswith(INDENT):
            last = last._replace(message=f"{last.message}\n{text.removeprefix(INDENT)}")
            continue
        if last:
            yield last
        last = _text_entry(text) or _json_entry(text) or LogEntry(last.time if last else None, "", None, text)
    if last:
        yield last


def _text_entry(line: str) -> LogEntry | None:
    match = HEAD.fullmatch(line)
    if match is None:
        return None
    time, level, rank, message = match.groups()
    return LogEntry(
        datetime.fromisoformat(time).astimezone(), level.lower(), None if rank is None else int(rank), message
    )


def _json_entry(line: str) -> LogEntry | None:
    if not line.startswith("{"):
        return None
    try:
        values: dict[str, Any] = json.loads(line)
        time = datetime.fromisoformat(values["time"])
        return LogEntry(time, str(values["level"]), values.get("rank"), str(values["message"]))
    except (ValueError, KeyError, TypeError):  # some other program's JSON
        return None
