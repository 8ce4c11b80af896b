"""From actions to arrays: packs shards into elements, writes the ledger, renders, submits."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jobs.plan.graph import Job
from jobs.runs import Run
from jobs.submit import slurm
from jobs.submit.arrays import find_submitted, submit_array, write_script
from jobs.submit.ledger import Submission, last_number, read_attempts, read_submissions, write_submission
from jobs.submit.reconcile import Actions, ShardState, live_arrays, waits_for
from jobs.submit.render import render_script
from jobs.submit.snapshot import take_snapshot
from stages.shared.errors import ClusterError
from stages.shared.files import write_json

Log = Callable[[str], None]


def chunks(shards: Sequence[int], per_element: int, max_elements: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield arrays of at most `max_elements` elements, each element a tuple of at most `per_element` shards."""
    elements = [tuple(shards[start : start + per_element]) for start in range(0, len(shards), per_element)]
    for start in range(0, len(elements), max_elements):
        yield tuple(elements[start : start + max_elements])


def new_submission(job: Job, elements: tuple[tuple[int, ...], ...], number: int) -> Submission:
    """Return a submission that nobody has been told of yet."""
    key = f"{number:04d}-{secrets.token_hex(4)}"
    return Submission(key=key, job=job.name, fingerprint=job.fingerprint, number=number, elements=elements)


def write_job(journey: Run, job: Job, code: Path) -> None:
    """Write what the worker needs to know of a job into its step folder."""
    needs = []
    for name in job.needs:
        upstream = journey.graph.jobs[name]
        step = journey.paths.step(name, upstream.fingerprint).root
        needs.append({"job": name, "step": str(step), "shards": upstream.step.shards})
    record = {
        "job": job.name,
        "stage": job.config.stage,
        "step": job.step.name,
        "run": job.step.run,
        "shards": job.step.shards,
        "can_resume": job.step.resumes,
        "max_stalls": job.resources.max_stalls,
        "fingerprint": job.fingerprint,
        "identity": job.identity,
        "config": job.config.model_dump(mode="json"),
        "inputs": {field: [[file.where, file.source] for file in files] for field, files in job.inputs.items()},
        "steps": {name: str(path) for name, path in job.steps.items()},
        "needs": needs,
        "code": code.name,
    }
    write_json(journey.paths.step(job.name, job.fingerprint).job_json, record)


def script_for(journey: Run, job: Job, submission: Submission, code: Path, after: tuple[str, ...]) -> str:
    """Return the batch script of a submission."""
    return render_script(job, submission, journey.cluster, journey.paths, code, after)


def settle_intents(journey: Run, log: Log) -> None:
    """Adopt or drop submissions whose answer was never recorded, as after a crash of the launcher."""
    started = {entry.key: str(entry.start.get("slurm_id", "")) for entry in read_attempts(journey.paths)}
    for entry in read_submissions(journey.paths):
        if entry.slurm_id:
            continue
        found = find_submitted(entry.key) or started.get(entry.key, "").partition("_")[0]
        if found:
            write_submission(journey.paths, replace(entry, slurm_id=found))
            log(f"{entry.job}: found array {found}, submitted by a launcher that did not live to note it")
        else:
            (journey.paths.submissions / entry.job / f"{entry.key}.json").unlink()


def submit_all(journey: Run, actions: Actions, states: Mapping[str, Mapping[int, ShardState]], log: Log) -> int:
    """Submit to Slurm what `actions` names, upstream first, then rewire; returns the number of arrays submitted.

    Each array is recorded as an intent before sbatch is called. Raises ClusterError; what was submitted by then is in
    the ledger, and the same command goes on from there.
    """
    code = take_snapshot(journey.paths)
    size = journey.cluster.max_array_size or slurm.max_array_size()
    submissions = read_submissions(journey.paths)
    number = last_number(submissions)
    attempts = read_attempts(journey.paths)
    waiting_for = {name: list(waits_for(name, shards, submissions, attempts)) for name, shards in states.items()}
    count = 0
    for name, shards in actions.submit.items():
        job = journey.graph.jobs[name]
        write_job(journey, job, code)
        after = _after(job, waiting_for)
        for elements in chunks(shards, job.resources.units_per_element, size):
            number += 1
            submission = new_submission(job, elements, number)
            journey.paths.logs(name).mkdir(parents=True, exist_ok=True)
            text = script_for(journey, job, submission, code, after)
            write_submission(journey.paths, submission)
            write_script(journey.paths, submission.key, text)
            slurm_id = submit_array(journey.paths, text, submission.key, log)
            write_submission(journey.paths, replace(submission, slurm_id=slurm_id, submitted=time.time()))
            waiting_for[name].append(slurm_id)
            count += 1
            log(
                f"{name}: array {slurm_id}, {len(elements)} element{'s' * (len(elements) != 1)}"
                + (f", after {', '.join(job.needs)}" if after else "")
            )
    for name in actions.rewire:
        after = _after(journey.graph.jobs[name], waiting_for)
        for array in live_arrays(name, states[name], submissions):
            try:
                slurm.set_dependency(array, after)
            except ClusterError as error:  # it may have ended since we looked; what is left is mended by the next call
                log(f"{name}: {error}")
            else:
                log(f"{name}: array {array} now waits for {', '.join(after) or 'nothing'}")
    return count


def _after(job: Job, waiting_for: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(array for need in job.needs for array in waiting_for[need]))
