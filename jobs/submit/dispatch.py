"""From actions to arrays: packs units into elements, writes the ledger, renders, submits.

A call is one transaction: every array is an intent on disk first, then in Slurm's queue, held, then on record with its
id; all are released at the end. A launcher that is killed in between leaves nothing that runs; the next one finds its
arrays by their comment, and releases them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from jobs.costs import write_estimates
from jobs.plan.estimates import packed
from jobs.plan.graph import Job, Need, PlannedUnit
from jobs.runs import Run
from jobs.submit import slurm
from jobs.submit.adjustments import is_on_hold, read_adjustments
from jobs.submit.arrays import (
    FullError,
    Patience,
    RefusedError,
    find_submitted,
    is_under_way,
    submit_array,
    try_flags,
    write_script,
)
from jobs.submit.ledger import (
    Assignment,
    Submission,
    boot_id,
    claimed,
    drop_submission,
    last_number,
    write_assignment,
    write_cancel,
    write_submission,
)
from jobs.submit.reasons import HELD
from jobs.submit.reconcile import Actions, Snapshot, States, half_living, live_arrays, waits_for
from jobs.submit.render import Place, element_flags, flag_words, render_script
from jobs.submit.snapshot import archive_of, take_snapshot
from jobs.submit.throttle import elements_in_queue, room_for, shares
from stages.formats.attempts import END
from stages.shared.contract import InputFile
from stages.shared.errors import ClusterError
from stages.shared.files import read_json, write_json

Log = Callable[[str], None]
SBATCH_S = slurm.TIMEOUT_S + 10
"""Seconds after which an sbatch that was started has ended."""


def chunks(job: Job, units: Sequence[str], max_elements: int) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield arrays of at most `max_elements` elements, each element a tuple of units."""
    elements = packed(job, units)
    for start in range(0, len(elements), max_elements):
        yield tuple(elements[start : start + max_elements])


def new_submission(job: Job, elements: tuple[tuple[str, ...], ...], number: int) -> Submission:
    """Return a submission that is not recorded anywhere yet."""
    return Submission(
        key=f"{number:04d}-{secrets.token_hex(4)}",
        job=job.name,
        fingerprint=job.fingerprint,
        number=number,
        elements=elements,
        resources=job.resources.model_dump(mode="json"),
    )


def write_work(run: Run, job: Job, submission: Submission, code: Path) -> None:
    """Write what the worker needs to know of a submission, then the submission itself."""
    write_assignment(run.paths, submission, assignment(run, job, submission, code))
    write_submission(run.paths, submission)


def assignment(run: Run, job: Job, submission: Submission, code: Path) -> Assignment:
    """Return what the worker needs to run the elements of a submission, as plain data."""
    places = {unit: place for place, unit in enumerate(job.units)}
    divided = {field for unit in job.units.values() for field in unit.inputs}
    needs = [_needed(run, name, sorted(job.needs[name])) for name in job.needs if name not in job.whole.values()]
    return Assignment(
        job={
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
            "backoff_s": job.resources.backoff_s,
            "gpus_per_node": job.resources.gpus_per_node,
            "config": job.config.model_dump(mode="json"),
            "code": code.name,
            "steps": {step: _whole(run, run.graph.jobs[name]) for step, name in job.whole.items()},
        },
        common={
            "inputs": {field: _files(run, files) for field, files in job.inputs.items() if field not in divided},
            "needs": needs,
        },
        elements=[[_unit(run, job, job.units[unit], places[unit]) for unit in units] for units in submission.elements],
    )


def _files(run: Run, files: Sequence[InputFile]) -> list[dict[str, str]]:
    return [
        {
            "where": file.where,
            "source": file.source,
            "kind": file.kind,
            "section": file.section,
            "unit": file.unit,
            "about": file.about,
            "digest": run.digests.get(file.where, ""),
        }
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
        "inputs": {field: _files(run, files) for field, files in unit.inputs.items()},
        "fellows": {step: str(_step_dir(run, name) / "units" / own[name].folder) for step, name in job.same.items()},
        "parts": {
            step: [str(_step_dir(run, name) / "units" / need.folder) for need in unit.needs if need.job == name]
            for step, name in job.parted.items()
        },
        "needs": [_own_need(run, need) for need in unit.needs],
    }


def _own_need(run: Run, need: Need) -> list[str]:
    return [need.job, str(_step_dir(run, need.job)), need.name]


def _step_dir(run: Run, name: str) -> Path:
    return run.paths.step(name, run.graph.jobs[name].fingerprint).root


def write_step(run: Run, job: Job) -> None:
    """Write what a step's fingerprint digests into its folder, and the estimates of its units: `plan` reads both.

    A job of one unit adds all its settings, and what each unit has read that shares the folder: jobs/history.py.
    """
    path = run.paths.step(job.name, job.fingerprint).step_json
    record = {"job": job.name, "fingerprint": job.fingerprint, "identity": job.identity}
    if job.inputs_digest:
        before = read_json(path).get("inputs", {}) if path.exists() else {}
        record["config"] = job.config.model_dump(mode="json")
        record["inputs"] = {**before, **dict.fromkeys(job.units, job.inputs_digest)}
    write_json(path, record)
    write_estimates(run, job)


def script_for(run: Run, job: Job, submission: Submission, code: Path, place: Place) -> str:
    """Return the batch script of a submission."""
    comment = slurm.comment_of(run.id, submission.key, run.cluster.comment)
    return render_script(job, submission, run.cluster, run.paths, code, replace(place, comment=comment))


def settle_intents(run: Run, log: Log, pause: Callable[[float], None] = time.sleep) -> None:
    """Adopt or drop submissions whose answer was never recorded, as after a crash of the launcher.

    An sbatch may outlive its launcher: one that may be under way is waited for. What is dropped is cancelled, too:
    should its array come all the same, the array does nothing.
    """
    intents = [entry for entry in run.ledger.submissions() if entry.is_intent]
    _await_sbatch(intents, log, pause)
    found = find_submitted(run.id) if intents else {}
    for entry in intents:
        if array := found.get(entry.key) or claimed(run.paths, entry.key):
            write_submission(run.paths, replace(entry, slurm_id=array))
            log(f"{entry.job}: found array {array}, submitted by a launcher that died before it noted the id")
        else:
            write_cancel(run.paths, entry.key, time.time())
            drop_submission(run.paths, entry)


def release_held(run: Run, log: Log) -> None:
    """Release the arrays that a launcher has submitted, as far as the run's present settings want them.

    Those of other settings stay held: `status` names them as strays. An array that is not in the queue any more only
    gets its record.
    """
    jobs = run.graph.jobs
    held = [
        entry
        for entry in run.ledger.submissions()
        if entry.held and entry.slurm_id and entry.job in jobs and entry.fingerprint == jobs[entry.job].fingerprint
    ]
    if not held or is_on_hold(read_adjustments(run.paths)):
        return
    waiting = _held_arrays()
    _release([entry.slurm_id for entry in held if entry.slurm_id in waiting], log)
    for entry in held:
        write_submission(run.paths, replace(entry, held=False))


def _release(arrays: Sequence[str], log: Log) -> None:
    """Release arrays: all in one call, or each by itself if one of them is not held any more. Raises ClusterError."""
    try:
        slurm.release(arrays)
    except ClusterError as error:
        log(f"{error}; releasing what is still held")
        for array in sorted(_held_arrays() & set(arrays)):
            slurm.release([array])


def _held_arrays() -> frozenset[str]:
    """Return the ids of arrays that Slurm holds, of all runs of this user."""
    return frozenset(row.array for row in slurm.queue() if row.reason in HELD)


def _await_sbatch(intents: Sequence[Submission], log: Log, pause: Callable[[float], None]) -> None:
    """Wait until no sbatch for these submissions can be under way; each ends by itself in SBATCH_S."""
    mine = boot_id()
    began, told = time.time(), False
    for entry in intents:
        left = min(entry.submitted, began) + SBATCH_S - began
        while left > 0 and (is_under_way(entry.key) or entry.launcher != mine):
            if not told:
                log("the sbatch of a launcher that died may be under way; waiting for it")
            told = True
            pause(1.0)
            left -= 1.0


class Submitter:
    """Submits arrays to Slurm, upstream first."""

    def __init__(self, run: Run, seen: Snapshot, states: States, patience: Patience) -> None:
        self.run, self.states, self.patience = run, states, patience
        self.queue = seen.queue
        self.code = take_snapshot(run.paths)
        if run.cluster.node_copy:
            archive_of(self.code)
        self.size = run.cluster.max_array_size or slurm.max_array_size()
        self.submissions = run.ledger.submissions()
        self.number = last_number(self.submissions)
        self.count = 0
        """Arrays submitted."""
        self._made: list[Submission] = []
        """Arrays of this call that are held."""
        self._waiting_for: dict[str, list[str]] = {}
        self._in_queue: Mapping[str, int] = {}

    def submit(self, actions: Actions) -> int:
        """Submit what `actions` names; return the number of arrays submitted.

        Side effect: writes the dependencies of queued arrays anew, where the arrays that they wait for were replaced.

        Slurm is asked first whether it takes each kind of element. No array starts before all are submitted, unless
        Slurm takes no more jobs now: then those in the queue go on. Raises ClusterError. After a refusal nothing of
        this call is in the queue; else what was submitted is on record, and the same command goes on from there.
        """
        self._read_waits(actions)
        self._try(actions)
        slurm.cancel(actions.replace)
        self._in_queue = elements_in_queue(self.queue, actions.replace)
        try:
            for name, units in actions.submit.items():
                self._submit_job(self.run.graph.jobs[name], units, actions.ready.get(name, frozenset()))
        except FullError:
            self._release()
            raise
        except RefusedError as error:
            self._take_back(self._made)
            raise ClusterError(f"{error}. Nothing of this call has started. Mend that, then run again") from None
        arrays = {entry.key: entry.slurm_id for entry in self.submissions}
        for name in actions.rewire:
            after = _after(self.run.graph.jobs[name], self._waiting_for)
            for entry in live_arrays(name, self.states[name], self.submissions):
                behind = filter(None, (arrays.get(key) for key in entry.behind))
                wanted = slurm.dependency(after, tuple(behind))
                _depend(name, entry.slurm_id, wanted, self.patience.log)
        self._release()
        return self.count

    def _read_waits(self, actions: Actions) -> None:
        """Find out which queued arrays dependents wait for. Reads the ends of arrays that have lost elements only."""
        jobs = self.run.graph.jobs
        above = {name for job in (*actions.submit, *actions.rewire) for name in jobs[job].upstream}
        half = {name: half_living(self.states[name], self.submissions) for name in above}
        keys = frozenset(chain.from_iterable(half.values()))
        attempts = self.run.ledger.attempts(
            [name for name, some in half.items() if some], lambda key, element: key in keys, records=(END,)
        )
        self._waiting_for = {
            name: list(waits_for(name, self.states[name], self.submissions, attempts)) for name in above
        }

    def _try(self, actions: Actions) -> None:
        """Ask Slurm whether it takes what is to be submitted, each kind of element once.

        Raises ClusterError; nothing has been submitted then, and the ledger holds Slurm's words.
        """
        tried: set[tuple[str, ...]] = set()
        for name, units in actions.submit.items():
            job = self.run.graph.jobs[name]
            flags = element_flags(job, job.resources.lanes(job.step.ranks), self.run.cluster)
            words = tuple(flag_words(flags))
            if words in tried:
                continue
            tried.add(words)
            try:
                try_flags(f"elements of {name} ({' '.join(words)})", words, job.resources.partition)
            except RefusedError as error:
                self.number += 1
                write_submission(
                    self.run.paths, replace(new_submission(job, (units,), self.number), refusal=error.words)
                )
                raise ClusterError(
                    f"{error}. Nothing was submitted. Change resources.{name} or the cluster file, then run again"
                ) from None

    def _submit_job(self, job: Job, units: Sequence[str], ready: frozenset[str]) -> None:
        write_step(self.run, job)
        self.run.paths.logs(job.name).mkdir(parents=True, exist_ok=True)
        pieces = [
            (after, elements)
            for after, some in by_readiness(job, units, ready, self._waiting_for)
            for elements in chunks(job, some, self.size)
        ]
        count = sum(len(elements) for _, elements in pieces)
        before = [entry for entry in self.submissions if entry.job == job.name]
        room = room_for(count, job.resources.throttle, before, self._in_queue)
        throttles, lanes = shares(room.elements, len(pieces))
        made: list[Submission] = []
        for (after, elements), throttle in zip(pieces, throttles, strict=True):
            front = (made[-lanes],) if len(made) >= lanes else room.behind
            self.number += 1
            entry = replace(
                new_submission(job, elements, self.number), behind=tuple(each.key for each in front), throttle=throttle
            )
            behind = tuple(each.slurm_id for each in front)
            made.append(self._submit_array(job, entry, Place(throttle=throttle, after=after, behind=behind)))
        self._waiting_for.setdefault(job.name, []).extend(entry.slurm_id for entry in made)

    def _submit_array(self, job: Job, entry: Submission, place: Place) -> Submission:
        """Submit one array and return its submission as it is on record then."""
        paths, log = self.run.paths, self.patience.log
        text = script_for(self.run, job, entry, self.code, place)
        entry = replace(entry, submitted=time.time(), launcher=boot_id(), held=True)
        write_work(self.run, job, entry, self.code)
        write_script(paths, entry.key, text)
        try:
            patience = replace(self.patience, before_wait=self._release)
            array = submit_array(paths, self.run.id, entry.key, patience)
        except RefusedError as error:
            write_submission(paths, replace(entry, refusal=error.words, held=False))
            raise
        except FullError:
            drop_submission(paths, entry)
            raise
        entry = replace(entry, slurm_id=array, submitted=time.time())
        write_submission(paths, entry)
        self._made.append(entry)
        self._take_back_if_cancelled()
        self.count += 1
        size = len(entry.elements)
        log(
            f"{job.name}: array {array}, {size} element{'s' * (size != 1)}"
            + (f", after {', '.join(job.upstream)}" if place.after else "")
        )
        return entry

    def _take_back_if_cancelled(self) -> None:
        """Cancel an array that came into the queue after somebody had cancelled what was in it."""
        if self.patience.is_cancelled():
            self._take_back(self._made)
        self.patience.go_on()

    def _take_back(self, entries: Sequence[Submission]) -> None:
        """Cancel arrays of this call. The marks are first: should the call fail, the arrays do nothing."""
        for entry in entries:
            write_cancel(self.run.paths, entry.key, time.time())
        slurm.cancel([entry.slurm_id for entry in entries])

    def _release(self) -> None:
        """Release the arrays of this call that are held, unless the run is on hold."""
        if is_on_hold(read_adjustments(self.run.paths)):
            return
        made, self._made = self._made, []
        _release([entry.slurm_id for entry in made], self.patience.log)
        for entry in made:
            write_submission(self.run.paths, replace(entry, held=False))


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
            _depend(name, element, "", log)


def unhold(actions: Actions, log: Log) -> None:
    """Let elements go that Slurm holds since it could not start them."""
    for element in actions.unhold:
        try:
            slurm.release([element])
        except ClusterError as error:  # it may have gone since we looked
            log(f"{element}: {error}")
        else:
            log(f"{element}: held by Slurm, and let go")


def _depend(name: str, array: str, dependency: str, log: Log) -> None:
    try:
        slurm.set_dependency(array, dependency)
    except ClusterError as error:  # it may have ended since we looked; what is left is mended by the next call
        log(f"{name}: {error}")
    else:
        log(f"{name}: array {array} now waits for {dependency or 'nothing'}")


def _after(job: Job, waiting_for: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(array for need in job.upstream for array in waiting_for[need]))
