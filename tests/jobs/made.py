"""Jobs, graphs and records made by hand, for tests of the launcher's pure parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.marks import made_files
from jobs.paths import RunPaths, StepPaths, unit_folder
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.graph import Graph, Job, Need, PlannedUnit
from jobs.plan.recipe import Recipe
from jobs.runs import Run
from jobs.submit.ledger import Submission
from jobs.submit.slurm import QueueRow, comment_of
from stages.formats.attempts import Attempt, AttemptName, EndRecord, ResultRecord, StartRecord, write_record
from stages.shared.contract import Step, Unit
from stages.shared.files import write_json
from tests.jobs.toy.config import ToyConfig

CONFIG = ToyConfig(moods="moods")
RUN_ID = "0123456789ab"


def fingerprint(name: str) -> str:
    """Return a fingerprint for a job's name."""
    return hashlib.sha256(name.encode()).hexdigest()


def unit(job: str, key: int | str) -> str:
    """Return the folder of a job's unit."""
    return unit_folder(str(key), fingerprint(f"{job}/{key}"))


def units(job: str, keys: Iterable[int | str]) -> frozenset[str]:
    """Return the folders of a job's units."""
    return frozenset(unit(job, key) for key in keys)


def job(
    name: str, count: int = 1, needs: Sequence[str] = (), same: Sequence[str] = (), ranks: int = 1, **resources: Any
) -> Job:
    """Return a job of units 0, 1, ... as the graph would hold it. It waits for all units of the jobs `needs`.

    Each of its units waits for the unit of its key of the jobs `same`. `graph` fills in the units of `needs`.
    """
    section, _, step = name.partition(".")
    keys = tuple(map(str, range(count)))
    declared = tuple(Unit(key=key) for key in keys)
    return Job(
        name=name,
        section=section,
        config=CONFIG,
        step=Step(name=step, run="stages.toy.run:make", units=declared, uses=(), ranks=ranks, resumes=ranks > 1),
        fingerprint=fingerprint(name),
        identity={},
        units={
            unit(name, key): PlannedUnit(
                key=key,
                folder=unit(name, key),
                identity=fingerprint(f"{name}/{key}"),
                inputs={},
                needs=tuple(Need(each, unit(each, key)) for each in same),
                core_seconds=1.0,
            )
            for key in keys
        },
        inputs={},
        inputs_digest="",
        needs={each: frozenset() for each in needs},
        same=_of_section(section, same),
        whole=_of_section(section, needs),
        parted={},
        upstream=(*needs, *same),
        resources=Resources(**{"units_per_element": 1, **resources}),
    )


def _of_section(section: str, jobs: Sequence[str]) -> dict[str, str]:
    """Return the jobs of a section by step; those of other sections are read as inputs."""
    return {each.partition(".")[2]: each for each in jobs if each.startswith(f"{section}.")}


def graph(*jobs: Job) -> Graph:
    """Return a graph of jobs that come in order, each waiting for all units of the jobs that it reads whole."""
    named = {each.name: each for each in jobs}
    waiting = [
        replace(
            each,
            needs={
                need: frozenset(named[need].units) if need in named else names for need, names in each.needs.items()
            },
        )
        for each in jobs
    ]
    return Graph({each.name: each for each in waiting}, {})


def submission(name: str, elements: Sequence[Sequence[int | str]], number: int = 1, slurm_id: str = "") -> Submission:
    """Return a submission of a job's units by key; its own key is `<number>-<job>`."""
    return Submission(
        key=f"{number:04d}-{name.replace('.', '-')}",
        job=name,
        fingerprint=fingerprint(name),
        number=number,
        elements=tuple(tuple(unit(name, key) for key in keys) for keys in elements),
        slurm_id=slurm_id,
    )


def start_record(**values: Any) -> StartRecord:
    """Return the first record of an attempt."""
    given = {"fingerprint": "", "units": (), "node": "n1", "pid": 1, "process": "boot:1:1", "started": 1.0, **values}
    return StartRecord(**given)


def end_record(verdict: str, reason: str = "", progress: int = -1, exit_code: int = 1) -> EndRecord:
    """Return the last record of an attempt."""
    return EndRecord(ended=2.0, exit_code=exit_code, verdict=verdict, reason=reason, progress=progress)


def attempt(
    of: Submission,
    element: int = 0,
    restart: int = 0,
    progress: int = -1,
    *,
    verdict: str | None = None,
    reason: str = "",
    failed: Mapping[str, str] | None = None,
) -> Attempt:
    """Return an attempt; `verdict` and `reason` make its end, `failed` its result."""
    return Attempt(
        name=AttemptName(of.job, of.key, element, restart),
        start=start_record(),
        progress=progress,
        result=ResultRecord(exit_code=1, failed=failed) if failed else None,
        end=end_record(verdict, reason, progress) if verdict else None,
    )


def write_end(run: RunPaths, of: Submission, verdict: str, reason: str = "", element: int = 0) -> None:
    """Write how the first attempt of an element ended."""
    write_record(run.attempts, AttemptName(of.job, of.key, element, 0), end_record(verdict, reason))


def row(
    slurm_id: str, state: str = "PENDING", reason: str = "Priority", restarts: int = 0, comment: str = ""
) -> QueueRow:
    """Return a line of squeue's answer."""
    return QueueRow(slurm_id, state, reason, "n1" if state == "RUNNING" else "", restarts, comment)


def named(rows: Iterable[QueueRow], submissions: Iterable[Submission]) -> list[QueueRow]:
    """Return rows with the comments that the launcher gives; `submissions` are looked up by the array's id."""
    keys = {entry.slurm_id: entry.key for entry in submissions if entry.slurm_id}
    return [
        each if each.comment else replace(each, comment=comment_of(RUN_ID, keys.get(each.array, "none")))
        for each in rows
    ]


def slurm_cluster(**settings: Any) -> Cluster:
    """Return a Slurm cluster whose nodes have a Python of their own, so that scripts look the same everywhere."""
    return Cluster(**{"name": "there", "kind": "slurm", "python": "/opt/python/bin/python3", **settings})


def a_run(folder: Path, graph: Graph, name: str = "mine") -> Run:
    """Return a run on a Slurm cluster; nothing of it is on disk."""
    cluster = slurm_cluster(max_array_size=1001)
    return Run(RunPaths(folder / name), Recipe("mine", "", (), {}, {}, {}), cluster, graph, {"id": RUN_ID})


def write_done(step: StepPaths, unit: str) -> None:
    """Write a folder without files and the mark of a unit, as if it were done."""
    step.unit(unit).mkdir(parents=True, exist_ok=True)
    write_json(step.mark(unit), {"files": made_files(step.unit(unit))})


def write_tree(folder: Path, files: dict[str, str]) -> None:
    """Write small files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
