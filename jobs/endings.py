"""Why an element ended: what Slurm, the shell and Python wrote at the end of its log, in a user's words.

The ledger knows that an element is gone, its log knows why: a time limit, scancel, a missing Python, a full disk. Reads
only the logs of units that are lost or have failed.
"""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from jobs.paths import RunPaths
from jobs.plan.graph import Graph, Job
from jobs.run.srun import BEGIN, OUT_OF_MEMORY
from jobs.submit.reconcile import States, UnitState
from stages.formats.attempts import Attempt
from stages.shared.files import read_tail
from stages.shared.log import parse_log

TAIL_BYTES = 8 << 10
EARLY_S = 60
"""Slurm may send the signal of --signal this many seconds early (man sbatch)."""
LEAST_FREE = 1 << 20
VAGUE = re.compile(
    r"left the queue before it began|ended without a word[^;]*|state saved \(exit 85\)|failed \(exit \d+\)"
    r"|killed by signal (?:9 \(exit 137\)|15 \(exit 143\))"
)
"""Reasons that the ledger alone gives."""
SAVED = "state saved"
ENDED_BY_SLURM = re.compile(r"Terminating StepId=(\S+)|StepId=(\S+) exceeded memory limit")
"""Of a step whose rank has ended badly, or that takes too much memory, Slurm says as well that it was cancelled."""
SLURMS_WORDS = re.compile(r"(?:slurmstepd\S*|srun): error: (?:\*\*\* )?(.*?)(?: \*\*\*)?$")
STEP_STOPPED = re.compile(r"\*\*\* STEP (\S+) .*CANCELLED AT [^*]*\*\*\*")
CAUSES: tuple[tuple[str, str], ...] = (
    (r"DUE TO TIME LIMIT", "stopped at its time limit of {time_min} min: raise resources.{job}.time_min"),
    (r"DUE TO NODE FAILURE|srun: error: Node failure on", "its node failed"),
    (r"DUE TO PREEMPTION", "preempted by another job"),
    (r"CANCELLED AT [^*]*\*\*\*", "cancelled with scancel"),
    (OUT_OF_MEMORY.pattern, "out of memory: raise resources.{job}.mem_gb"),
    (r"No space left on device", "the disk is full: free some space"),
    (r"Disk quota exceeded", "the disk quota is used up: free some space"),
    (r"Read-only file system", "the file system is read-only there"),
    (r"\bcd: (?P<path>.+): No such file or directory", "its code is gone ({path}): `run` makes it anew"),
    (
        r"(?:execve\(\): |line \d+: |env: [‘'])(?P<path>/[^:’']+)[’']?: (?:No such file|Permission denied)",
        "{path} does not run on its node: `python` in the cluster file must be there and executable",
    ),
    (r"No module named (?P<path>\S+)", "its Python lacks the package {path}: see `python` in the cluster file"),
    (r"^(?:worker|attempt_end): (?P<path>.+)", "{path}"),
    (r"Permission denied(?:: (?P<path>\S+))?", "no permission on its node {path}"),
)
"""Pattern in a log, and the cause that it shows. In a line the first counts, in a log the last line that has one."""


def explain(states: States, attempts: Iterable[Attempt], graph: Graph, run: RunPaths, lead_s: int) -> States:
    """Return the states with the causes that the logs give in place of vague reasons."""
    last = {(each.name.key, each.name.element): each for each in sorted(attempts, key=lambda each: each.name.restart)}
    read = functools.cache(partial(read_tail, num_bytes=TAIL_BYTES))  # a log is of all units of its element
    return {
        name: {
            unit: explained(state, last.get((state.key, state.element)), graph.jobs[name], run, lead_s, read)
            if state.state in ("lost", "failed", "queued") and state.key
            else state
            for unit, state in units.items()
        }
        for name, units in states.items()
    }


def explained(
    state: UnitState, last: Attempt | None, job: Job, run: RunPaths, lead_s: int, read: Callable[[Path], str]
) -> UnitState:
    """Return the state of a unit whose last attempt did not finish it, with the cause in its reason if known."""
    if not VAGUE.search(state.reason):
        return state
    values = {"job": job.name, "time_min": str(job.resources.time_min)}
    log = read(run.log(job.name, state.key, state.element)).rpartition(BEGIN)[2]
    found = cause(log, values)
    is_on_its_way = state.state == "queued" and job.step.resumes  # a limit is nothing to change then
    if not found and not is_on_its_way and _is_at_limit(last, job, lead_s):
        found = f"stopped at its time limit of {values['time_min']} min: raise resources.{job.name}.time_min"
    if not found and last is not None and last.result is not None and last.result.signal and not job.step.resumes:
        found = f"interrupted by {last.result.signal} (exit 85)"
    if not found and SAVED not in state.reason:
        found = _about_the_folder(job, run)
    return replace(state, reason=VAGUE.sub(lambda match: found, state.reason, count=1)) if found else state


def cause(text: str, values: Mapping[str, str]) -> str:
    """Return the cause that the last telling line of a log shows, with Slurm's words; "" if there is none. Pure."""
    by_slurm = {step for match in ENDED_BY_SLURM.finditer(text) for step in match.groups() if step}
    lines = [line for entry in parse_log(text.splitlines()) for line in entry.message.splitlines()]
    for line in reversed(lines):
        if (stopped := STEP_STOPPED.search(line)) and stopped[1] in by_slurm:
            continue
        for pattern, said in CAUSES:
            if match := re.search(pattern, line):
                found = {name: value or "" for name, value in match.groupdict().items()}
                words = SLURMS_WORDS.search(line)
                return said.format_map({**values, **found}).strip() + (f" (Slurm: {words[1]})" if words else "")
    return ""


def _is_at_limit(last: Attempt | None, job: Job, lead_s: int) -> bool:
    """Return whether an attempt that was asked to stop had run as long as Slurm lets it before it asks."""
    if last is None or last.result is None or last.result.signal != "SIGUSR2" or not (last.start and last.end):
        return False
    return last.end.ended - last.start.started >= job.resources.time_min * 60 - lead_s - EARLY_S


def _about_the_folder(job: Job, run: RunPaths) -> str:
    """Return what is wrong with the run's folder at present and keeps a job from starting or from noting its end."""
    if not run.logs(job.name).is_dir():
        return "the folder of its logs is gone: `run` makes it anew"
    if shutil.disk_usage(run.root).free < LEAST_FREE:
        return "it left no record, and the disk of the run is full: free some space"
    return ""
