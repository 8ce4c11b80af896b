"""Installs and removes the nights of a run, by the scheduler that is there."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from jobs.commands import LAUNCH
from jobs.display import log
from jobs.nightly import chain, schedule
from jobs.nightly.bell import Bell
from jobs.nightly.schedule import Entry
from jobs.plan.cluster import Cluster
from jobs.runs import Run
from jobs.submit.render import flag_value, flag_words, optional_flags
from stages.shared.errors import ConfigError


def change_nights(run: Run, at: tuple[int, int], arguments: argparse.Namespace, bell: Bell) -> int:
    """Install the nights that a command line describes, in the place of the run's earlier ones, or remove them.

    Side effect: writes the run's record, so that `status` finds the run. Raises ConfigError, ClusterError.
    """
    with run.lock():
        run.save()
    entry = Entry(
        run_id=run.id,
        name=run.name,
        at=at,
        folder=Path.cwd(),
        words=tuple(_words(run, arguments.at, bell)),
        log=run.paths.root / "nightly.log",
    )
    if arguments.remove:
        found = _remove(entry, run.cluster)
        log(f"the nights of {run.name} have ended" if found else f"{run.name} has no nights")
        return 0
    way = schedule.choose(arguments.by, run.cluster)
    _remove(entry, run.cluster)
    begin = f"{at[0]:02d}:{at[1]:02d}"
    if way == "slurm":
        job = chain.install(entry, run.cluster, run.paths.scripts / "night.sh", begin)
        log(f"{run.name}: every night at {begin} by Slurm; job {job} is the first")
    else:
        options = _scron(entry, run.cluster) if way == "scrontab" else []
        schedule.install(way, entry, options)
        log(f"{run.name}: every night at {begin} by {way}")
    log(f"its log is {entry.log}")
    return 0


def _remove(entry: Entry, cluster: Cluster) -> bool:
    """Remove the run's nights from every scheduler; return whether there were some."""
    removed = [schedule.remove("cron", entry.mark)]
    if cluster.kind == "slurm":
        removed += [schedule.remove("scrontab", entry.mark), chain.remove(entry.mark)]
    return any(removed)


def _words(run: Run, at: str, bell: Bell) -> Sequence[str]:
    """Return the words of one night's command, to be called in this folder: the run's own words and a night's."""
    # A scheduler's `python3` may be another one, and old.
    words = [sys.executable, str(LAUNCH), "nightly", *map(str, run.record["command"][1:]), "--once", "--at", at]
    words += ["--command", bell.command] if bell.command is not None else []
    words += ["--webhook-file", str(bell.webhook_file)] if bell.webhook_file else []
    if odd := [word for word in words if "\n" in word]:
        raise ConfigError("--command", odd[0], "one line: a table of cron has a line an entry")
    environment = os.environ.get("STAGECOACH_ENV")
    return [*(["env", f"STAGECOACH_ENV={environment}"] if environment else []), *words]


def _scron(entry: Entry, cluster: Cluster) -> list[str]:
    """Return the lines of options that scrontab reads before an entry."""
    shape = cluster.shape("small")
    flags = {
        "job-name": flag_value(f"nightly:{entry.name}"),
        "time": shape.time_min,
        **optional_flags(shape),
        **cluster.flags(shape),
    }
    return [f"#SCRON {word}" for word in flag_words(flags)]
