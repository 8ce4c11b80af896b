"""The verb `adjust`: changes a run that is queued or runs, and what it submits from then on.

What Slurm allows is changed at once: pending elements take everything, running ones a shorter time limit at most.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jobs.paths import RunPaths
from jobs.record import user_name
from jobs.runs import Run
from jobs.submit import slurm
from jobs.submit.adjustments import Adjustment, is_on_hold, read_adjustments, write_adjustment
from jobs.submit.dispatch import release_held
from jobs.submit.reasons import HELD
from jobs.submit.slurm import QueueRow
from jobs.submit.throttle import shares
from stages.shared.errors import ClusterError, ConfigError

WORDS = {"partition": "partition", "exclude": "excnodelist", "time_min": "timelimit"}
"""Slurm's word for a setting, in `scontrol update`."""


def parse_minutes(text: str) -> int:
    """Return a time limit in minutes: a number of them, H:MM:SS or D-HH:MM:SS. Raises ConfigError."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):(\d{2}):(\d{2})|(\d+))", text)
    if match is None:
        raise ConfigError("--time", text, "minutes, H:MM:SS or D-HH:MM:SS (for example 12:00:00)")
    days, hours, minutes, seconds, plain = (int(part or 0) for part in match.groups())
    return plain or days * 1440 + hours * 60 + minutes + (seconds > 0)


def adjust(run: Run, entry: Adjustment, log: Callable[[str], None]) -> None:
    """Record an adjustment and apply it to the run's arrays in the queue.

    `run` is as it was before. What cannot be changed is named, and stops nothing. Raises ClusterError if the queue
    cannot be read; the adjustment is on record then, for what is submitted later.
    """
    write_adjustment(run.paths, entry)
    rows = run.look()[0].queue
    jobs = {submission.key: submission.job for submission in run.ledger.submissions()}
    mine = [row for row in rows if jobs.get(row.key) in entry.jobs]
    for array, change in _changes(mine, jobs, entry):
        _try(["scontrol", "update", f"jobid={array}", change], f"{array}: {change}", log)
    if entry.hold:
        for array in _arrays(row for row in mine if row.state == "PENDING" and row.reason not in HELD):
            _try(["scontrol", "hold", array], f"{array}: held", log)
    if entry.hold is False:
        for array in _arrays(row for row in mine if row.reason in HELD):
            _try(["scontrol", "release", array], f"{array}: released", log)
        release_held(run, log)


def _changes(rows: Sequence[QueueRow], jobs: dict[str, str], entry: Adjustment) -> Iterator[tuple[str, str]]:
    """Yield arrays and the changes that `scontrol update` takes for them."""
    by_job: defaultdict[str, list[QueueRow]] = defaultdict(list)
    for row in rows:
        by_job[jobs[row.key]].append(row)
    for found in by_job.values():
        arrays = _arrays(found)
        if throttle := entry.values.get("throttle"):
            # Arrays of a job share its throttle; those beyond it wait for others, and get their share then.
            for array, share in zip(arrays, shares(throttle, len(arrays))[0], strict=True):
                yield array, f"arraytaskthrottle={share}"
        pending = _arrays(row for row in found if row.state == "PENDING")
        for name, word in WORDS.items():
            if name in entry.values:
                for array in arrays if name == "time_min" else pending:
                    yield array, f"{word}={entry.values[name]}"


def _arrays(rows: Any) -> list[str]:
    return list(dict.fromkeys(row.array for row in rows))


def _try(words: Sequence[str], done: str, log: Callable[[str], None]) -> None:
    try:
        slurm.call(words)
    except ClusterError as error:  # a running job, or one that has just ended
        log(f"not changed: {error}")
    else:
        log(done)


def adjustment_lines(paths: RunPaths) -> Iterator[str]:
    """Yield a sentence for each adjustment in force, for `status`."""
    entries = read_adjustments(paths)
    for entry in entries:
        if entry.values:
            what = ", ".join(f"{name} {value}" for name, value in entry.values.items())
            yield f"adjusted by {user_name(entry.by)}: {what} ({', '.join(entry.jobs)})"
    if is_on_hold(entries):
        yield "on hold: nothing new starts before `adjust --release`"
