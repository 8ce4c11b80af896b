"""Jobs, graphs and records made by hand, for tests of the launcher's pure parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.plan.cluster import Cluster, Resources
from jobs.plan.graph import Graph, Job
from jobs.submit.ledger import Attempt, Submission
from jobs.submit.slurm import QueueRow
from stages.shared.contract import Step
from tests.jobs.toy.config import ToyConfig

CONFIG = ToyConfig(moods="moods")


def fingerprint(name: str) -> str:
    """Return a fingerprint for a job's name."""
    return hashlib.sha256(name.encode()).hexdigest()


def job(name: str, shards: int = 1, needs: Sequence[str] = (), ranks: int = 1, **resources: Any) -> Job:
    """Return a job as the graph would hold it."""
    section, _, step = name.partition(".")
    return Job(
        name=name,
        section=section,
        config=CONFIG,
        step=Step(name=step, run="stages.toy.run:make", shards=shards, uses=(), ranks=ranks, resumes=ranks > 1),
        fingerprint=fingerprint(name),
        needs=tuple(needs),
        inputs={},
        steps={},
        resources=Resources(**resources),
        identity={},
    )


def graph(*jobs: Job) -> Graph:
    """Return a graph of jobs that come in order."""
    return Graph({each.name: each for each in jobs})


def submission(name: str, elements: Sequence[Sequence[int]], number: int = 1, slurm_id: str = "") -> Submission:
    """Return a submission of a job; its key is `<number>-<job>`."""
    return Submission(
        key=f"{number:04d}-{name.replace('.', '-')}",
        job=name,
        fingerprint=fingerprint(name),
        number=number,
        elements=tuple(map(tuple, elements)),
        slurm_id=slurm_id,
    )


def attempt(of: Submission, element: int = 0, restart: int = 0, progress: int = -1, **records: Any) -> Attempt:
    """Return an attempt; `verdict` and `reason` make its end, `failed` its result."""
    verdict, reason, failed = records.get("verdict"), records.get("reason", ""), records.get("failed", {})
    return Attempt(
        job=of.job,
        key=of.key,
        element=element,
        restart=restart,
        start={"node": "n1", "pid": 1, "process": "boot:1:1"},
        progress=progress,
        result={"failed": failed} if failed else {},
        end={"verdict": verdict, "reason": reason, "progress": progress} if verdict else {},
    )


def row(
    slurm_id: str, state: str = "PENDING", reason: str = "Priority", restarts: int = 0, comment: str = ""
) -> QueueRow:
    """Return a line of squeue's answer."""
    return QueueRow(slurm_id, state, reason, "n1" if state == "RUNNING" else "", restarts, comment)


def slurm_cluster(**settings: Any) -> Cluster:
    """Return a Slurm cluster whose nodes have a Python of their own, so that scripts look the same everywhere."""
    return Cluster(**{"name": "there", "kind": "slurm", "python": "/opt/python/bin/python3", **settings})


def write_tree(folder: Path, files: dict[str, str]) -> None:
    """Write small files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
