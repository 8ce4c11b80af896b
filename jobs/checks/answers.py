"""The cluster's answers to a plan: whether Slurm takes each job, when it would start, and limits that make waves.

Asks by `sbatch --test-only` and `scontrol show config`; submits nothing. The `judge_*` functions are pure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.checks.scheduler import parse_config
from jobs.plan.cluster import Cluster
from jobs.plan.graph import Job
from jobs.submit import slurm
from jobs.submit.arrays import RefusedError, try_flags
from jobs.submit.render import element_flags, flag_words
from stages.shared.numbers import count

START = re.compile(r"to start at (\S+)")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Slurm's answer about the elements of one job."""

    job: str
    refusal: str = ""
    """Slurm's words, if it takes no such element."""
    start: str = ""
    """When one would start, as Slurm writes it; "" if Slurm does not say."""


def answers(cluster: Cluster, jobs: Sequence[Job]) -> Iterator[Answer]:
    """Yield Slurm's answer about each job. Equal requests are asked once. Raises ClusterError if Slurm is silent."""
    known: dict[tuple[str, ...], tuple[str, str]] = {}
    for job in jobs:
        words = tuple(flag_words(element_flags(job, job.resources.lanes(job.step.ranks), cluster)))
        if words not in known:
            known[words] = _asked(job, words)
        refusal, start = known[words]
        yield Answer(job=job.name, refusal=refusal, start=start)


def _asked(job: Job, words: Sequence[str]) -> tuple[str, str]:
    try:
        said = try_flags(f"elements of {job.name}", words, job.resources.partition)
    except RefusedError as error:
        return error.words, ""
    found = START.search(said)
    return "", found[1] if found else ""


def limits() -> Mapping[str, int]:
    """Return the limits on a user's jobs: MaxJobCount, and MaxSubmitJobs where there is accounting."""
    config = parse_config(slurm.call(["scontrol", "show", "config"]))
    found = {"MaxJobCount": int(config.get("MaxJobCount", "0") or 0)}
    if "none" not in config.get("AccountingStorageType", "none"):
        found |= _of_association()
    return {name: limit for name, limit in found.items() if limit}


def _of_association() -> dict[str, int]:
    user = os.environ.get("USER", "")
    said = slurm.accounting("assoc", "format=MaxSubmitJobs", "where", f"user={user}")
    numbers = [int(line) for line in said.split() if line.isdecimal()]
    return {"MaxSubmitJobs": min(numbers)} if numbers else {}


def judge_limits(elements: int, found: Mapping[str, int]) -> Iterator[str]:
    """Yield a sentence for each limit that the elements of a plan exceed."""
    for name, limit in found.items():
        if elements > limit:
            waves = -(-elements // limit)
            yield (
                f"{count(elements)} elements, but {name} is {count(limit)}: `run --wait` submits them in at least "
                f"{waves} waves, or raise units_per_element"
            )


def lines_of(found: Sequence[Answer]) -> Iterator[str]:
    """Yield the answers in sentences: refusals one by one, starts together."""
    for answer in found:
        if answer.refusal:
            yield f"{answer.job}: Slurm would refuse it: {answer.refusal}"
    starts = {answer.start for answer in found if answer.start}
    taken = [answer.job for answer in found if not answer.refusal]
    if taken:
        when = f"; the first elements would start at {min(starts).replace('T', ' ')}" if starts else ""
        yield f"Slurm takes the elements of {'all' if len(taken) == len(found) else len(taken)} jobs{when}"
