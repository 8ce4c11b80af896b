"""Costs of a run's units, learned from what done units took, of this run and of its sisters in the same folder.

A step's `estimates.json` holds the estimates of the units that were submitted. With the seconds in their completion
marks they correct the estimates of what is to come. Damaged files teach nothing, and neither do other users' files.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from jobs.paths import RunPaths, StepPaths
from jobs.plan.costs import Measured, corrected, estimated
from jobs.plan.graph import Job
from jobs.runs import Run
from stages.shared.contract import Cost, part_of, whole_of
from stages.shared.files import write_json

MAX_SISTERS = 16
"""Other runs that are looked at, the newest ones."""
MAX_MARKS = 400
"""Completion marks of others that are read: 0.1 s on a local disk, a second on a slow one."""
MAX_BYTES = 8_000_000
"""Of a file that is read."""


def with_unit_costs(run: Run) -> Run:
    """Return the run with the costs of units that their stages know: StageConfig.costs. Identities stay."""
    past: dict[str, tuple[list[Measured], list[Measured]]] = {}
    """Measured units of this run, and of its sisters, by stage."""
    jobs = dict(run.graph.jobs)
    for name, job in run.graph.jobs.items():
        costs = estimated(job, run.cluster, _parts(run, job))
        if not costs:
            continue
        stage = job.config.stage
        if stage not in past:
            past[stage] = list(_measured(run.paths, stage, run.cluster.name)), list(_of_sisters(run, stage))
        seconds = corrected(costs, *past[stage])
        units = {
            folder: replace(unit, core_seconds=seconds.get(folder, unit.core_seconds))
            for folder, unit in job.units.items()
        }
        jobs[name] = replace(job, units=units, costs=costs)
    return replace(run, graph=replace(run.graph, jobs=jobs))


def write_estimates(run: Run, job: Job) -> None:
    """Write the estimates of a job's units beside them, with those of units that were there before."""
    if not job.costs:
        return
    path = run.paths.step(job.name, job.fingerprint).estimates
    before = _estimates(path, job.config.stage, run.cluster.name)
    units = {folder: asdict(cost) for folder, cost in {**before, **job.costs}.items()}
    write_json(path, {"stage": job.config.stage, "cluster": run.cluster.name, "units": units})


def _parts(run: Run, job: Job) -> dict[str, int]:
    """Return the number of parts of each unit of a job's section that has several, by key."""
    parted = {name for each in run.graph.jobs.values() if each.section == job.section for name in each.parted.values()}
    keys = [unit.key for name in parted for unit in run.graph.jobs[name].units.values()]
    return {whole_of(key): part_of(key)[1] for key in keys}


def _of_sisters(run: Run, stage: str) -> Iterator[Measured]:
    """Yield measured units of other runs of this user in the same folder, of the newest runs first."""
    own = run.paths.root.name
    try:
        with os.scandir(run.paths.root.parent) as entries:
            found = [(each.stat(follow_symlinks=False), each) for each in entries if each.name != own]
    except OSError:  # nothing has run here yet, or a folder has just gone
        return
    mine = [(status.st_mtime, each) for status, each in found if _is_my_folder(status)]
    newest = sorted(mine, key=lambda each: (-each[0], each[1].name))[:MAX_SISTERS]
    every = (measured for _, each in newest for measured in _measured(RunPaths(Path(each)), stage, run.cluster.name))
    yield from islice(every, MAX_MARKS)


def _is_my_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _measured(paths: RunPaths, stage: str, cluster: str) -> Iterator[Measured]:
    """Yield the done units of a run that have estimates of a stage on a cluster."""
    for path in sorted(paths.root.glob("steps/*/*/estimates.json")):
        step = StepPaths(path.parent)
        estimates = _estimates(path, stage, cluster)
        for folder in sorted(estimates.keys() & step.marked_units() if estimates else ()):
            seconds = _number(_mark(step, folder).get("seconds"))
            if seconds is not None:
                yield Measured(estimates[folder], seconds)


def _mark(step: StepPaths, folder: str) -> dict[str, Any]:
    """Return a unit's completion mark, of its own file or packed; empty if it is damaged."""
    if found := _read(step.mark(folder)):
        return found
    with contextlib.suppress(OSError, ValueError):
        if step.packed_marks.lstat().st_uid == os.geteuid():
            value = step.read_mark(folder)
            return value if isinstance(value, dict) else {}
    return {}


def _estimates(path: Path, stage: str, cluster: str) -> dict[str, Cost]:
    """Return the estimates in a file by folder; none if they are of another stage or cluster."""
    found = _read(path) or {}
    units = found.get("units")
    if (found.get("stage"), found.get("cluster")) != (stage, cluster) or not isinstance(units, dict):
        return {}
    costs = {folder: _cost(value) for folder, value in units.items()}
    return {folder: cost for folder, cost in costs.items() if cost}


def _cost(value: Any) -> Cost | None:
    if not isinstance(value, Mapping) or (seconds := _number(value.get("core_seconds"))) is None:
        return None
    kind, like = value.get("kind"), value.get("like")
    return Cost(core_seconds=seconds, kind=kind, like=like) if isinstance(kind, str) and isinstance(like, str) else None


def _number(value: Any) -> float | None:
    """Return a finite number above 0; None for anything else."""
    return float(value) if isinstance(value, (int, float)) and 0 < value < math.inf else None


def _read(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in this user's file; None for another user's, a link, a pipe, and what is no object."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_size > MAX_BYTES:
                return None
            value = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
