"""Writes a run and its ledger as a real run leaves them in its last array, for tests.bench.units.

`python -m tests.bench.units_ledger RECIPE CLUSTER RUNS NAME` prints the queue of that moment, as squeue would.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.plan.cluster import load_cluster
from jobs.plan.graph import Job
from jobs.plan.recipe import read_recipe
from jobs.runs import Run, plan_run
from jobs.submit.dispatch import chunks, new_submission, write_step, write_work
from jobs.submit.ledger import Submission
from jobs.submit.slurm import comment_of
from stages.formats.attempts import END, PROGRESS, RESULT, START, AttemptName


def write_ledger(run: Run) -> list[str]:
    """Write everything as done but the last array of the last job; return the rows of the queue."""
    number, last = 0, list(run.graph.jobs)[-1]
    rows: list[str] = []
    for job in run.graph.jobs.values():
        write_step(run, job)
        arrays = list(chunks(job, tuple(job.units), run.cluster.max_array_size or 1001))
        for elements in arrays:
            number += 1
            submission = replace(new_submission(job, elements, number), slurm_id=str(100 + number), submitted=1.0)
            write_work(run, job, submission, run.paths.code / "0123456789ab")
            comment = comment_of(run.id, submission.key)
            if job.name == last and elements is arrays[-1]:
                rows = [f"{submission.slurm_id}_{n}|PENDING|Priority||0|{comment}" for n in range(len(elements))]
            else:
                _write_outcome(run, job, submission)
    return rows


def _write_outcome(run: Run, job: Job, submission: Submission) -> None:
    """Write marks and attempts of an array that is done. Without a flush of each file: they are 200,000."""
    step = run.paths.step(job.name, job.fingerprint)
    step.done.mkdir(parents=True, exist_ok=True)
    (run.paths.attempts / job.name).mkdir(parents=True, exist_ok=True)
    for element, units in enumerate(submission.elements):
        for path, record in _records(run, job, submission, element, units):
            path.write_text(json.dumps(record, indent=1, sort_keys=True))
        for unit in units:
            step.unit(unit).mkdir(parents=True)
            (step.unit(unit) / "text").write_text("hello\n")
            files = {"text": {"bytes": 6, "sha256": "0" * 64}}
            mark = {"job": job.name, "unit": job.units[unit].key, "identity": job.units[unit].identity, "files": files}
            step.mark(unit).write_text(json.dumps(mark, indent=1, sort_keys=True))


def _records(
    run: Run, job: Job, submission: Submission, element: int, units: Sequence[str]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    name = AttemptName(job.name, submission.key, element, 0)
    keys = [job.units[unit].key for unit in units]
    slurm_id = f"{submission.slurm_id}_{element}"
    start = {"fingerprint": job.fingerprint, "units": keys, "slurm_id": slurm_id, "node": "n1", "started": 1.0}
    yield name.path(run.paths.attempts, START), start
    yield name.path(run.paths.attempts, PROGRESS), {"progress": len(units)}
    yield name.path(run.paths.attempts, RESULT), {"exit_code": 0, "failed": {}, "signal": ""}
    end = {"ended": 2.0, "exit_code": 0, "verdict": "done", "reason": "", "progress": len(units)}
    yield name.path(run.paths.attempts, END), end


def main() -> None:
    """Write the run that the arguments name."""
    recipe, cluster, runs, name = sys.argv[1:]
    run = plan_run(read_recipe(recipe), load_cluster(cluster), Path(runs), name)
    run.save()
    print("\n".join(write_ledger(run)))


if __name__ == "__main__":
    main()
