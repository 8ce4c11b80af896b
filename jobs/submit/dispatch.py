"""From actions to arrays: packs units into elements, writes the ledger, renders, submits."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.plan.graph import Job, Need, PlannedUnit
from jobs.runs import Run
from jobs.submit import slurm
from jobs.submit.arrays import find_submitted, submit_array, write_script
from jobs.submit.ledger import Submission, drop_submission, last_number, write_assignment, write_submission
from jobs.submit.reconcile import Actions, States, live_arrays, waits_for
from jobs.submit.render import render_script
from jobs.submit.snapshot import take_snapshot
from stages.shared.contract import InputFile
from stages.shared.errors import ClusterError
from stages.shared.files import write_json

Log = Callable[[str], None]


def chunks(units: Sequence[str], per_element: int, max_elements: int) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield arrays of at most `max_elements` elements, each element a tuple of at most `per_element` units."""
    elements = [tuple(units[start : start + per_element]) for start in range(0, len(units), per_element)]
    for start in range(0, len(elements), max_elements):
        yield tuple(elements[start : start + max_elements])


def new_submission(job: Job, elements: tuple[tuple[str, ...], ...], number: int) -> Submission:
    """Return a submission that is not recorded anywhere yet."""
    key = f"{number:04d}-{secrets.token_hex(4)}"
    return Submission(key=key, job=job.name, fingerprint=job.fingerprint, number=number, elements=elements)


def write_work(run: Run, job: Job, submission: Submission, code: Path) -> None:
    """Write what the worker needs to know of a submission, then the submission itself."""
    write_assignment(run.paths, submission, assignment(run, job, submission, code))
    write_submission(run.paths, submission)


def assignment(run: Run, job: Job, submission: Submission, code: Path) -> dict[str, Any]:
    """Return what the worker needs to run the elements of a submission, as plain data."""
    places = {unit: place for place, unit in enumerate(job.units)}
    divided = {field for unit in job.units.values() for field in unit.inputs}
    return {
        "job": job.name,
        "section": job.section,
        "stage": job.config.stage,
        "step": job.step.name,
        "run": job.step.run,
        "step_dir": str(run.paths.step(job.name, job.fingerprint).root),
        "fingerprint": job.fingerprint,
        "can_resume": job.step.resumes,
        "is_service": job.step.is_service,
        "max_stalls": job.resources.max_stalls,
        "config": job.config.model_dump(mode="json"),
        "code": code.name,
        "inputs": {field: _files(files) for field, files in job.inputs.items() if field not in divided},
        "steps": {step: _whole(run, run.graph.jobs[name]) for step, name in job.whole.items()},
        "needs": [_needed(run, name, sorted(job.needs[name])) for name in job.needs if name not in job.whole.values()],
        "elements": [
            [_unit(run, job, job.units[unit], places[unit]) for unit in units] for units in submission.elements
        ],
    }


def _files(files: Sequence[InputFile]) -> list[dict[str, str]]:
    return [
        {"where": file.where, "source": file.source, "kind": file.kind, "section": file.section, "unit": file.unit}
        for file in files
    ]


def _whole(run: Run, job: Job) -> dict[str, str]:
    """Return the folder of a step that is read whole, and the file that lists its units."""
    step, roll = run.paths.step(job.name, job.fingerprint), job.roll
    path = step.roll(roll)
    if not path.exists():
        write_json(path, list(job.units))
    return {"job": job.name, "step_dir": str(step.root), "roll": roll}


def _needed(run: Run, name: str, units: Sequence[str]) -> dict[str, Any]:
    return {"job": name, "step_dir": str(_step_dir(run, name)), "units": list(units)}


def _unit(run: Run, job: Job, unit: PlannedUnit, place: int) -> dict[str, Any]:
    own = {need.job: need for need in unit.needs}
    return {
        "key": unit.key,
        "folder": unit.folder,
        "identity": unit.identity,
        "place": place,
        "inputs": {field: _files(files) for field, files in unit.inputs.items()},
        "fellows": {step: str(_step_dir(run, name) / "units" / own[name].folder) for step, name in job.same.items()},
        "needs": [_own_need(run, need) for need in unit.needs],
    }


def _own_need(run: Run, need: Need) -> list[str]:
    return [need.job, str(_step_dir(run, need.job)), need.name]


def _step_dir(run: Run, name: str) -> Path:
    return run.paths.step(name, run.graph.jobs[name].fingerprint).root


def write_step(run: Run, job: Job) -> None:
    """Write what a step's fingerprint digests into its folder, once: `plan` explains changes by it."""
    path = run.paths.step(job.name, job.fingerprint).step_json
    write_json(path, {"job": job.name, "fingerprint": job.fingerprint, "identity": job.identity})


def script_for(run: Run, job: Job, submission: Submission, code: Path, after: tuple[str, ...]) -> str:
    """Return the batch script of a submission."""
    return render_script(job, submission, run.cluster, run.paths, code, after)


def settle_intents(run: Run, log: Log) -> None:
    """Adopt or drop submissions whose answer was never recorded, as after a crash of the launcher."""
    intents = [entry for entry in run.ledger.submissions() if not entry.slurm_id]
    keys = {entry.key for entry in intents}
    attempts = run.ledger.attempts({entry.job for entry in intents}, lambda key, element: key in keys)
    started = {each.name.key: each.start.slurm_id for each in attempts if each.start}
    for entry in intents:
        found = find_submitted(entry.key) or started.get(entry.key, "").partition("_")[0]
        if found:
            write_submission(run.paths, replace(entry, slurm_id=found))
            log(f"{entry.job}: found array {found}, submitted by a launcher that died before it noted the id")
        else:
            drop_submission(run.paths, entry)


def submit_all(run: Run, actions: Actions, states: States, log: Log) -> int:
    """Submit to Slurm what `actions` names, upstream first; return the number of arrays submitted.

    Side effect: writes the dependencies of queued arrays anew, where the arrays that they wait for were replaced.

    Each array is recorded as an intent before sbatch is called. Raises ClusterError; what was submitted by then is in
    the ledger, and the same command goes on from there.
    """
    code = take_snapshot(run.paths)
    size = run.cluster.max_array_size or slurm.max_array_size()
    submissions = run.ledger.submissions()
    number = last_number(submissions)
    upstream = {name for job in actions.submit for name in run.graph.jobs[job].upstream}
    upstream |= {name for job in actions.rewire for name in run.graph.jobs[job].upstream}
    attempts = run.ledger.attempts(upstream)
    waiting_for = {name: list(waits_for(name, states[name], submissions, attempts)) for name in run.graph.jobs}
    count = 0
    for name, units in actions.submit.items():
        job = run.graph.jobs[name]
        write_step(run, job)
        run.paths.logs(name).mkdir(parents=True, exist_ok=True)
        for after, some in by_readiness(job, units, actions.ready.get(name, frozenset()), waiting_for):
            for elements in chunks(some, job.resources.units_per_element, size):
                number += 1
                submission = new_submission(job, elements, number)
                text = script_for(run, job, submission, code, after)
                write_work(run, job, submission, code)
                write_script(run.paths, submission.key, text)
                slurm_id = submit_array(run.paths, text, submission.key, log)
                write_submission(run.paths, replace(submission, slurm_id=slurm_id, submitted=time.time()))
                waiting_for[name].append(slurm_id)
                count += 1
                log(
                    f"{name}: array {slurm_id}, {len(elements)} element{'s' * (len(elements) != 1)}"
                    + (f", after {', '.join(job.upstream)}" if after else "")
                )
    for name in actions.rewire:
        for array in live_arrays(name, states[name], submissions):
            _depend(name, array, _after(run.graph.jobs[name], waiting_for), log)
    return count


def by_readiness(
    job: Job, units: Sequence[str], ready: frozenset[str], waiting_for: Mapping[str, Sequence[str]]
) -> Iterator[tuple[tuple[str, ...], Sequence[str]]]:
    """Yield (ids to wait for, units): none for units whose inputs are complete, else those of the jobs above."""
    at_once, later = [unit for unit in units if unit in ready], [unit for unit in units if unit not in ready]
    if at_once:
        yield (), at_once
    if later:
        yield _after(job, waiting_for), later


def release(actions: Actions, log: Log) -> None:
    """Let queued elements go whose inputs are complete, although the jobs that make them still run."""
    for name, elements in actions.release.items():
        for element in elements:
            _depend(name, element, (), log)


def _depend(name: str, array: str, after: tuple[str, ...], log: Log) -> None:
    try:
        slurm.set_dependency(array, after)
    except ClusterError as error:  # it may have ended since we looked; what is left is mended by the next call
        log(f"{name}: {error}")
    else:
        log(f"{name}: array {array} now waits for {', '.join(after) or 'nothing'}")


def _after(job: Job, waiting_for: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(array for need in job.upstream for array in waiting_for[need]))
