"""Reconciliation: the state of every unit, and the actions that come next. Pure: snapshots in, states and actions out.

graph + completion marks + ledger + queue  ->  UnitState of each unit  ->  Actions
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal

from jobs.plan.graph import Graph, Job, PlannedUnit
from jobs.submit.ledger import Submission
from jobs.submit.slurm import QueueRow
from stages.formats.attempts import Attempt

HELD = ("JobHeldUser", "JobHeldAdmin", "job requeued in held state", "launch failed requeued held")
"""Slurm's reasons for a pending job that nothing but `scontrol release` will start."""
DEPENDENCY = "Dependency"
"""Slurm's reason for a pending job whose array waits for other arrays."""
NEVER_SATISFIED = "what it waits for has failed"
FINAL = ("failed", "never", "cancelled")
"""Verdicts after which the batch script does not start its element again."""
State = Literal["done", "running", "queued", "blocked", "failed", "lost", "cancelled", "missing"]
LIVE: frozenset[State] = frozenset({"running", "queued", "blocked"})
RETRIED: frozenset[State] = frozenset({"missing", "lost", "cancelled"})
STUCK: frozenset[State] = frozenset({"failed", "lost", "cancelled", "blocked"})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Marks, ledger and queue at one moment."""

    done: Mapping[str, frozenset[str]]
    """By job at its present fingerprint: folders of finished units, and outputs published by running ones."""
    submissions: Sequence[Submission]
    attempts: Sequence[Attempt]
    """At least those of elements with a unit that is not done."""
    queue: Sequence[QueueRow]
    """Empty on the local cluster."""
    cancelled: frozenset[str] = frozenset()
    alive: Callable[[Attempt], bool] = lambda attempt: False
    """Local cluster: whether an attempt's process still runs."""
    launcher_elsewhere: bool = False
    """Local cluster: another process runs this run; what has not started waits for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitState:
    """One unit: its state and, unless all is well, the reason."""

    state: State
    reason: str = ""
    slurm_id: str = ""
    key: str = ""
    element: int = -1
    attempts: int = 0
    progress: int = -1
    waits_in_array: bool = False
    """Whether Slurm holds its element back for the sake of other arrays."""


States = Mapping[str, Mapping[str, UnitState]]
"""The state of every unit, by job and unit folder, in order."""
DONE = UnitState(state="done")
MISSING = UnitState(state="missing")
COMING = UnitState(state="queued", reason="the launcher that is at work will start it")
UNNEEDED = UnitState(state="done", reason="not needed now")


@dataclass(frozen=True, kw_only=True)
class Actions:
    """The actions of `run` or `heal`, in order: submit, rewrite dependencies, release."""

    submit: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Units to submit, by job, in the graph's order."""
    ready: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Units to submit whose inputs are complete, by job."""
    rewire: tuple[str, ...] = ()
    """Jobs with queued arrays whose dependencies must be written anew, because something upstream was resubmitted."""
    release: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Slurm ids by job of queued elements whose inputs are complete although their array still waits: for a job that
    publishes them while it runs, or for a job whose other units have failed."""
    held_back: Mapping[str, str] = field(default_factory=dict)
    """Jobs with units that are not submitted, with the reason."""


def unit_states(graph: Graph, seen: Snapshot) -> dict[str, dict[str, UnitState]]:
    """Return the state of every unit of every job."""
    rows = {row.slurm_id: row for row in seen.queue}
    attempts: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in seen.attempts:
        attempts.setdefault((attempt.name.key, attempt.name.element), []).append(attempt)
    latest = latest_submissions(graph, seen.submissions)
    states: dict[str, dict[str, UnitState]] = {}
    for name, job in graph.jobs.items():
        done, submitted = seen.done.get(name, frozenset()), latest.get(name, {})
        states[name] = {}
        for unit in job.units:
            if unit in done:
                states[name][unit] = DONE
            elif unit not in submitted:
                states[name][unit] = COMING if seen.launcher_elsewhere else MISSING
            else:
                submission, element = submitted[unit]
                tries = sorted(attempts.get((submission.key, element), []), key=lambda attempt: attempt.name.restart)
                row = rows.get(f"{submission.slurm_id}_{element}") if submission.slurm_id else None
                states[name][unit] = _submitted(submission, element, job.units[unit].key, tries, row, seen)
    _mark_blocked(graph, states, seen)
    _mark_unneeded(graph, states)
    return states


def latest_submissions(graph: Graph, submissions: Iterable[Submission]) -> dict[str, dict[str, tuple[Submission, int]]]:
    """Return by job and unit the newest submission that covers the unit, with the element."""
    latest: dict[str, dict[str, tuple[Submission, int]]] = {}
    for submission in submissions:
        job = graph.jobs.get(submission.job)
        if job is not None and job.fingerprint == submission.fingerprint:
            into = latest.setdefault(submission.job, {})
            for element, units in enumerate(submission.elements):
                into.update(dict.fromkeys(units, (submission, element)))
    return latest


class _Waiting:
    """Answers what the units of a job wait for. The needs that all units share are looked at once."""

    def __init__(
        self, job: Job, done: Mapping[str, frozenset[str]], stuck: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        self._done, self._stuck = done, stuck or {}
        self._common = [
            (upstream, name.partition("/")[0])
            for upstream, names in job.needs.items()
            for name in names - done.get(upstream, frozenset())
            if name.partition("/")[0] not in done.get(upstream, frozenset())
        ]
        self._culprit = self._stuck_in(self._common)

    def is_over(self, unit: PlannedUnit) -> bool:
        """Return whether everything that a unit needs is there."""
        return not self._common and not self._own(unit)

    def culprit(self, unit: PlannedUnit) -> str | None:
        """Return the job that keeps a unit from ever starting by itself, if there is one."""
        return self._culprit or (self._stuck_in(self._own(unit)) if self._stuck else None)

    def _own(self, unit: PlannedUnit) -> list[tuple[str, str]]:
        nothing: frozenset[str] = frozenset()
        return [
            (need.job, need.folder)
            for need in unit.needs
            if not {need.name, need.folder} & self._done.get(need.job, nothing)
        ]

    def _stuck_in(self, needs: Iterable[tuple[str, str]]) -> str | None:
        return next((self._stuck[need] for need in needs if need in self._stuck), None)


def _mark_blocked(graph: Graph, states: dict[str, dict[str, UnitState]], seen: Snapshot) -> None:
    """Turn `queued` into `blocked` wherever something upstream cannot finish by itself, in place.

    Slurm says so only of the direct dependent; one further down looks like an ordinary pending job for ever.
    """
    stuck: dict[tuple[str, str], str] = {}
    kinds: dict[str, set[State]] = {}
    for name, job in graph.jobs.items():
        unfinished = {unit: state for unit, state in states[name].items() if state.state != "done"}
        if unfinished:
            waiting = _Waiting(job, seen.done, stuck)
            stalled = _stalled({above: kinds[above] for above in job.upstream})
        for unit, state in unfinished.items():
            culprit = waiting.culprit(job.units[unit]) or (stalled if state.reason == DEPENDENCY else None)
            if culprit is not None and state.state in ("queued", "blocked"):
                unfinished[unit] = replace(state, state="blocked", reason=f"waits for {culprit}")
            if culprit is not None or state.state in STUCK:
                stuck[name, unit] = culprit or name
        states[name].update(unfinished)
        kinds[name] = {state.state for state in unfinished.values()}


def _stalled(above: Mapping[str, set[State]]) -> str | None:
    """Return the job above that has units stuck, if nothing above can still happen by itself.

    An array that waits for it as a whole never starts, though some of its units may have all that they need.
    """
    if any(not kinds.isdisjoint(("running", "queued")) for kinds in above.values()):
        return None
    return next((name for name, kinds in above.items() if kinds & STUCK), None)


def _mark_unneeded(graph: Graph, states: dict[str, dict[str, UnitState]]) -> None:
    """Turn services that do not run, and whose readers are all done, into `done`, in place."""
    for name, readers in _services(graph).items():
        if readers and all(state.state == "done" for each in readers for state in states[each].values()):
            for unit, state in states[name].items():
                if state.state not in LIVE:
                    states[name][unit] = UNNEEDED


def _services(graph: Graph) -> dict[str, list[str]]:
    """Return the jobs that read from each service."""
    services = [name for name, job in graph.jobs.items() if job.step.is_service]
    return {name: [job.name for job in graph.jobs.values() if name in job.upstream] for name in services}


def idle_services(graph: Graph, states: States, coming: Collection[str]) -> list[str]:
    """Return the services without readers to come: no reader runs, is queued or is a job of `coming`.

    A service without readers is needed until it is cancelled.
    """

    def is_coming(name: str) -> bool:
        return name in coming or any(state.state in ("running", "queued") for state in states[name].values())

    return [name for name, readers in _services(graph).items() if readers and not any(map(is_coming, readers))]


def _submitted(
    submission: Submission, element: int, key: str, tries: Sequence[Attempt], row: QueueRow | None, seen: Snapshot
) -> UnitState:
    """Return the state of a unit that was submitted and has no completion mark."""
    last = tries[-1] if tries else None
    state, reason = _in_queue(row, last) or _out_of_queue(submission, key, last, seen)
    return UnitState(
        state=state,
        reason=reason,
        slurm_id=f"{submission.slurm_id}_{element}" if submission.slurm_id else "",
        key=submission.key,
        element=element,
        attempts=len(tries),
        progress=max((attempt.progress for attempt in tries), default=-1),
        waits_in_array=reason in (DEPENDENCY, NEVER_SATISFIED),
    )


def _in_queue(row: QueueRow | None, last: Attempt | None) -> tuple[State, str] | None:
    """Return the state that Slurm's queue gives; None for a unit that is not in it."""
    if row is None or _lingers(row, last):
        return None
    if row.is_running:
        return "running", f"on {row.node}"
    if row.reason == "DependencyNeverSatisfied":
        return "blocked", NEVER_SATISFIED
    if row.reason in HELD:
        return "blocked", f"held ({row.reason}): scontrol release {row.slurm_id}"
    return "queued", row.reason


def _out_of_queue(submission: Submission, key: str, last: Attempt | None, seen: Snapshot) -> tuple[State, str]:
    """Return the state of a unit that no scheduler has in its hands, as far as the launcher knows."""
    if last is not None and last.start is not None and last.end is None and seen.alive(last):
        return "running", f"process {last.start.pid}"
    if submission.key in seen.cancelled:
        return "cancelled", "cancelled by the user"
    if seen.launcher_elsewhere and (last is None or _comes_back(last)):
        return "queued", "waits for a free core"
    if last is None:
        return "lost", "left the queue before it began"
    return _ended(key, last)


def _comes_back(attempt: Attempt) -> bool:
    """Return whether an attempt ended so that its element is started again."""
    return attempt.end is not None and attempt.end.verdict in ("requeue", "bad-node")


def _ended(key: str, last: Attempt) -> tuple[State, str]:
    """Return the state that the last attempt's records give."""
    failed = last.result.failed.get(key) if last.result is not None else None
    if last.end is None:
        where = last.start.node if last.start is not None else "its node"
        return ("failed", failed) if failed else ("lost", f"ended without a word on {where} (killed, or the node died)")
    if last.end.verdict == "done":
        return "lost", "was done, but its completion mark is gone"
    if _comes_back(last):
        return "lost", f"{last.end.reason}; it was not started again"
    return "failed", failed or last.end.reason or "failed"


def _lingers(row: QueueRow, last: Attempt | None) -> bool:
    """Return whether the queue still lists a start that is over.

    The batch script notes its verdict a moment before it ends. A row with more restarts than the attempt is about a
    later start, by hand or by the site, that has not written anything yet.
    """
    if last is None or last.end is None:
        return False
    return row.is_running and last.end.verdict in FINAL and row.restarts <= last.name.restart


def next_actions(graph: Graph, states: States, done: Mapping[str, frozenset[str]], heal: bool) -> Actions:
    """Return what to submit now.

    Always what is missing, lost or cancelled; with `heal` also what failed. A unit downstream of a failure that is not
    being healed is held back: it could not start. So is a service that no unit can read from.
    """
    retry = RETRIED | {"failed"} if heal else RETRIED
    done = _without_dead_addresses(graph, states, done)
    submit: dict[str, tuple[str, ...]] = {}
    ready: dict[str, frozenset[str]] = {}
    held_back: dict[str, str] = {}
    stuck: dict[tuple[str, str], str] = {}
    for name, job in graph.jobs.items():
        waiting = _Waiting(job, done, stuck)
        open_units = {unit: state.state for unit, state in states[name].items() if state.state != "done"}
        held = {unit: culprit for unit in open_units if (culprit := waiting.culprit(job.units[unit]))}
        chosen = tuple(unit for unit, state in open_units.items() if state in retry and unit not in held)
        failed = (unit for unit, state in open_units.items() if state == "failed" and unit not in chosen)
        stuck.update(dict.fromkeys(((name, unit) for unit in (*held, *failed)), name))
        if held:
            held_back[name] = f"waits for {next(iter(held.values()))}"
        if chosen:
            submit[name] = chosen
            ready[name] = frozenset(unit for unit in chosen if waiting.is_over(job.units[unit]))
    for name in idle_services(graph, states, submit):
        if submit.pop(name, None):
            held_back[name] = "no unit that reads from it can run"
    rewire = tuple(name for name, job in graph.jobs.items() if _is_adrift(job, states[name], submit, held_back))
    release = _released(graph, states, done)
    return Actions(submit=submit, ready=ready, rewire=rewire, release=release, held_back=held_back)


def _without_dead_addresses(
    graph: Graph, states: States, done: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """Return what is done without the addresses that services left behind when they were killed."""
    alive = {}
    for name in _services(graph):
        running = {unit for unit, state in states[name].items() if state.state == "running"}
        alive[name] = frozenset(each for each in done.get(name, ()) if each.partition("/")[0] in running)
    return {**done, **alive}


def _is_adrift(
    job: Job, states: Mapping[str, UnitState], submit: Mapping[str, object], held_back: Mapping[str, object]
) -> bool:
    """Return whether queued arrays of a job wait for what is no more: also if a launcher died before it mended that."""
    if job.name in held_back:
        return False
    kinds = {state.state for state in states.values()}
    return "blocked" in kinds or ("queued" in kinds and bool(submit.keys() & set(job.upstream)))


def _released(graph: Graph, states: States, done: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """Return elements that have all that they need, while their array waits for what still runs or has failed."""
    found: dict[str, tuple[str, ...]] = {}
    for name, job in graph.jobs.items():
        if not (_reads_during(job) or any(_is_stuck(states[above]) for above in job.upstream)):
            continue
        waiting = _Waiting(job, done)
        elements: dict[str, list[bool]] = {}
        for unit, state in states[name].items():
            if state.state in ("queued", "blocked") and state.slurm_id:
                free = state.waits_in_array and waiting.is_over(job.units[unit])
                elements.setdefault(state.slurm_id, []).append(free)
        if ids := tuple(slurm_id for slurm_id, free in elements.items() if all(free)):
            found[name] = ids
    return found


def _reads_during(job: Job) -> bool:
    """Return whether units of a job read what others publish while they run."""
    common = (name for names in job.needs.values() for name in names)
    own = (need.name for unit in job.units.values() for need in unit.needs)
    return any("/" in name for name in chain(common, own))


def _is_stuck(states: Mapping[str, UnitState]) -> bool:
    return any(state.state in STUCK for state in states.values())


def waits_for(
    job: str, states: Mapping[str, UnitState], submissions: Sequence[Submission], attempts: Sequence[Attempt]
) -> tuple[str, ...]:
    """Return the Slurm ids that a dependent of `job` must wait for: arrays whose every element can still succeed.

    Of an array in which one element has failed, each living element by itself: `afterok` on the whole could never come
    true, however often the failed unit is done again elsewhere.
    """
    living = {(state.key, state.element) for state in states.values() if state.state in LIVE}
    done = {(each.name.key, each.name.element) for each in attempts if each.end and each.end.verdict == "done"}
    ids: list[str] = []
    for entry in submissions:
        mine = [element for element in range(len(entry.elements)) if (entry.key, element) in living]
        if entry.job != job or not entry.slurm_id or not mine:
            continue
        whole = all((entry.key, element) in living | done for element in range(len(entry.elements)))
        ids += [entry.slurm_id] if whole else [f"{entry.slurm_id}_{element}" for element in mine]
    return tuple(ids)


def live_arrays(job: str, states: Mapping[str, UnitState], submissions: Sequence[Submission]) -> tuple[str, ...]:
    """Return the ids of a job's arrays that still have an element in the queue."""
    keys = {state.key for state in states.values() if state.state in LIVE}
    return tuple(entry.slurm_id for entry in submissions if entry.job == job and entry.key in keys and entry.slurm_id)


def finished(states: States) -> bool:
    """Return whether every unit of every job is done."""
    return all(state.state == "done" for units in states.values() for state in units.values())


def in_flight(states: States) -> bool:
    """Return whether anything can still happen by itself: something runs, or waits for what is not stuck."""
    return any(state.state in ("running", "queued") for units in states.values() for state in units.values())
