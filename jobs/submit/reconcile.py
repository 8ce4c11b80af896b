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
from jobs.submit.reasons import DEPENDENCY, HELD, LAUNCH_FAILED, NEVER_SATISFIED, NOT_SEEN, never_starts, why_never
from jobs.submit.slurm import QueueRow
from stages.formats.attempts import Attempt

FAILED_ABOVE = "what it waits for has failed"
UNRELEASED = "held, since its launcher did not get to its end: `run` or `heal` releases it"
FINAL = ("failed", "never", "cancelled")
"""Verdicts after which the batch script does not start its element again."""
State = Literal["done", "running", "queued", "blocked", "failed", "lost", "cancelled", "missing"]
LIVE: frozenset[State] = frozenset({"running", "queued", "blocked"})
RETRIED: frozenset[State] = frozenset({"missing", "lost", "cancelled"})
STUCK: frozenset[State] = frozenset({"failed", "lost", "cancelled", "blocked"})


DAMAGED = "its output is damaged"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Marks, ledger and queue at one moment."""

    done: Mapping[str, frozenset[str]]
    """By job at its present fingerprint: folders of finished units, and outputs published by running ones."""
    submissions: Sequence[Submission]
    attempts: Sequence[Attempt]
    """At least those of elements with a unit that is not done."""
    queue: Sequence[QueueRow]
    """All rows of this run, whether the present plan has a use for them or not; empty on the local cluster."""
    damaged: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is wrong with the output of units that have a mark, by job and unit, and by `<unit>/<output>`."""
    cancelled: frozenset[str] = frozenset()
    alive: Callable[[Attempt], bool] = lambda attempt: False
    """Local cluster: whether an attempt's process still runs."""
    launcher_elsewhere: bool = False
    """Local cluster: another process runs this run; what has not started waits for it."""
    is_submitting: bool = False
    """Slurm: another launcher is at work on this run."""


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
    never: bool = False
    """Whether its input or a setting is wrong, so that running it again cannot help."""
    waits_in_array: bool = False
    """Whether Slurm holds its element back for the sake of arrays of other jobs."""
    remedy: Literal["", "release", "replace"] = ""
    """What `run` and `heal` do about a blocked element: let it go, or submit it anew with other resources."""


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
    """Slurm ids by job of queued arrays and elements whose inputs are complete although they still wait: for a job that
    publishes them while it runs, for one whose other units have failed, or for one that Slurm lost sight of."""
    unhold: tuple[str, ...] = ()
    """Slurm ids of elements that Slurm holds since it could not start them."""
    replace: tuple[str, ...] = ()
    """Slurm ids of elements that can never start as they are, and are submitted anew."""
    held_back: Mapping[str, str] = field(default_factory=dict)
    """Jobs with units that are not submitted, with the reason."""


def unit_states(graph: Graph, seen: Snapshot) -> dict[str, dict[str, UnitState]]:
    """Return the state of every unit of every job."""
    rows = _rows_by_element(seen)
    attempts: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in seen.attempts:
        attempts.setdefault((attempt.name.key, attempt.name.element), []).append(attempt)
    latest = latest_submissions(graph, seen.submissions)
    states: dict[str, dict[str, UnitState]] = {}
    for name, job in graph.jobs.items():
        done, submitted = seen.done.get(name, frozenset()), latest.get(name, {})
        damaged = seen.damaged.get(name, {})
        states[name] = {}
        for unit in job.units:
            if unit in done:
                states[name][unit] = DONE
            elif unit in damaged:
                states[name][unit] = UnitState(state="lost", reason=f"{DAMAGED}: {damaged[unit]}")
            elif unit not in submitted:
                states[name][unit] = COMING if seen.launcher_elsewhere else MISSING
            else:
                submission, element = submitted[unit]
                tries = sorted(attempts.get((submission.key, element), []), key=lambda attempt: attempt.name.restart)
                row = rows.get((submission.key, element))
                state = _submitted(submission, element, job.units[unit].key, tries, row, seen)
                states[name][unit] = _with_remedy(state, row, submission, job)
    _mark_chained(states, seen)
    _mark_blocked(graph, states, seen)
    _mark_unneeded(graph, states)
    return states


def _rows_by_element(seen: Snapshot) -> dict[tuple[str, int], QueueRow]:
    """Return the queue's row of each element by the submission's key, whatever its id.

    Ids are used again when a controller has lost its state. Of a submission that came twice, the array on
    record counts.
    """
    arrays = {entry.key: entry.slurm_id for entry in seen.submissions}
    found: dict[tuple[str, int], QueueRow] = {}
    for row in seen.queue:
        if (place := (row.key, row.element)) not in found or row.array == arrays.get(row.key):
            found[place] = row
    return found


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
    held = {entry.job: row for entry, row in reversed(leftovers(seen))}
    for name, job in graph.jobs.items():
        unfinished = {unit: state for unit, state in states[name].items() if state.state != "done"}
        if unfinished:
            waiting = _Waiting(job, seen.done, stuck)
            stalled = _stalled({above: kinds[above] for above in job.upstream})
        for unit, state in unfinished.items():
            culprit = waiting.culprit(job.units[unit]) or (stalled if state.reason == DEPENDENCY else None)
            if culprit is not None and state.state in ("queued", "blocked"):
                unfinished[unit] = replace(state, state="blocked", reason=f"waits for {culprit}")
            elif state.waits_in_array and waiting.is_over(job.units[unit]):
                unfinished[unit] = _freed(state, [held[above] for above in job.upstream if above in held])
            if unfinished[unit].state in STUCK:
                stuck[name, unit] = culprit or name
        states[name].update(unfinished)
        kinds[name] = {state.state for state in unfinished.values()}


def _freed(state: UnitState, held: Sequence[QueueRow]) -> UnitState:
    """Return the state of a unit with complete inputs whose array waits, given the done elements that Slurm holds."""
    if not held:
        return state
    reason = f"its inputs are complete, but it waits for {held[0].slurm_id}, which is done and held ({held[0].reason})"
    return replace(state, state="blocked", reason=f"{reason}: `launch.py heal` lets it go")


def leftovers(seen: Snapshot) -> list[tuple[Submission, QueueRow]]:
    """Return the rows of elements that are done and that Slurm holds, as after an outage: they would stay for ever."""
    known = {entry.key: entry for entry in seen.submissions}
    found = []
    for row in seen.queue:
        entry = known.get(row.key)
        if entry is None or row.is_running or not (row.reason in HELD or row.reason == NEVER_SATISFIED):
            continue
        done = seen.done.get(entry.job, frozenset())
        if row.element < len(entry.elements) and done.issuperset(entry.elements[row.element]):
            found.append((entry, row))
    return found


def _mark_chained(states: dict[str, dict[str, UnitState]], seen: Snapshot) -> None:
    """Account for arrays that wait for an earlier one of their own job, in place.

    They do not wait for other jobs, and are blocked if the one in front is.
    """
    front = {entry.key: entry.behind for entry in seen.submissions if entry.behind}
    if not front:
        return
    queued = {row.key for row in seen.queue}
    for units in states.values():
        kinds: dict[str, set[State]] = {}
        for unit, state in sorted(units.items(), key=lambda item: item[1].key):
            ahead = [key for key in front.get(state.key, ()) if key in queued]
            if ahead and state.reason == DEPENDENCY:
                is_over = all(kinds.get(key) == {"blocked"} for key in ahead)
                why = "the array in front of it does not start" if is_over else "waits for the throttle"
                if kinds.keys().isdisjoint(ahead):
                    why += ", behind arrays of earlier settings"
                kind: State = "blocked" if is_over else "queued"
                units[unit] = replace(state, state=kind, reason=why, waits_in_array=False)
            if units[unit].state in LIVE:
                kinds.setdefault(state.key, set()).add(units[unit].state)


def _stalled(above: Mapping[str, set[State]]) -> str | None:
    """Return the job above that has units stuck, if nothing above can still happen by itself.

    An array that waits for it as a whole never starts, though some of its units may have all that they need.
    """
    if any(not kinds.isdisjoint(("running", "queued")) for kinds in above.values()):
        return None
    return next((name for name, kinds in above.items() if kinds & STUCK), None)


def _mark_unneeded(graph: Graph, states: dict[str, dict[str, UnitState]]) -> None:
    """Turn services that do not run, and whose readers are all done, into `done`, in place. Parts of done units too."""
    for name, readers in _services(graph).items():
        if readers and all(state.state == "done" for each in readers for state in states[each].values()):
            _drop(states[name], states[name])
    for name, job in graph.jobs.items():
        for parts in job.parted.values():
            open_units = (unit for unit in job.units.values() if states[name][unit.folder].state != "done")
            wanted = {need.folder for unit in open_units for need in unit.needs if need.job == parts}
            _drop(states[parts], states[parts].keys() - wanted)


def _drop(states: dict[str, UnitState], units: Iterable[str]) -> None:
    """Turn those of some units that are neither done nor on their way into UNNEEDED, in place."""
    for unit in units:
        if states[unit].state not in {*LIVE, "done"}:
            states[unit] = UNNEEDED


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
    state, reason = _in_queue(row, last, submission, seen.is_submitting) or _out_of_queue(submission, key, last, seen)
    if state == "queued" and row is not None and last is not None and reason != DEPENDENCY:
        reason = f"{reason}; its last attempt: {_why_not_done(last)}"
    given = f"{submission.slurm_id}_{element}" if submission.slurm_id else ""
    return UnitState(
        state=state,
        reason=reason,
        slurm_id=row.slurm_id if row else given,
        key=submission.key,
        element=element,
        attempts=len(tries),
        progress=max((attempt.progress for attempt in tries), default=-1),
        never=state == "failed" and last is not None and last.end is not None and last.end.verdict == "never",
        waits_in_array=reason in (DEPENDENCY, FAILED_ABOVE),
    )


def _with_remedy(state: UnitState, row: QueueRow | None, submission: Submission, job: Job) -> UnitState:
    """Return the state with what `run` can do about an element that Slurm does not start."""
    if row is None or state.state != "blocked":
        return state
    if row.reason == LAUNCH_FAILED:
        return replace(state, remedy="release")
    if never_starts(row.reason) is not None and submission.resources != job.resources.model_dump():
        return replace(
            state, remedy="replace", reason=f"{row.reason}; `run` submits it anew, with the present resources"
        )
    return state


def _in_queue(
    row: QueueRow | None, last: Attempt | None, submission: Submission, is_submitting: bool
) -> tuple[State, str] | None:
    """Return the state that Slurm's queue gives; None for a unit that is not in it."""
    if row is None or _lingers(row, last):
        return None
    if row.is_running:
        return "running", f"on {row.node}"
    if row.reason == NEVER_SATISFIED:
        return "blocked", FAILED_ABOVE
    if row.reason == LAUNCH_FAILED:
        return "blocked", f"held ({row.reason}), as after an outage: `launch.py heal` lets it go"
    if row.reason in HELD and submission.held:
        return ("queued", "being submitted") if is_submitting else ("blocked", UNRELEASED)
    if row.reason in HELD:
        return "blocked", f"held ({row.reason}): scontrol release {row.slurm_id}"
    if (settings := never_starts(row.reason)) is not None:
        return "blocked", why_never(submission.job, row.reason, settings)
    return "queued", NOT_SEEN if row.reason == "None" else row.reason


def _out_of_queue(submission: Submission, key: str, last: Attempt | None, seen: Snapshot) -> tuple[State, str]:
    """Return the state of a unit that no scheduler has in its hands, as far as the launcher knows."""
    if last is not None and last.start is not None and last.end is None and seen.alive(last):
        return "running", f"process {last.start.pid}"
    if submission.key in seen.cancelled:
        return "cancelled", "cancelled by the user"
    if seen.launcher_elsewhere and (last is None or _comes_back(last)):
        return "queued", "waits for a free core"
    if last is None and submission.refusal:
        return "lost", f"refused by Slurm: {submission.refusal}"
    if last is None and submission.launcher and submission.is_intent:
        return ("queued", "being submitted") if seen.is_submitting else ("lost", "its submission was interrupted")
    if last is None:
        return "lost", "left the queue before it began"
    return _ended(key, last)


def _comes_back(attempt: Attempt) -> bool:
    """Return whether an attempt ended so that its element is started again."""
    return attempt.end is not None and attempt.end.verdict in ("requeue", "bad-node")


def _ended(key: str, last: Attempt) -> tuple[State, str]:
    """Return the state that the last attempt's records give."""
    failed = last.result.failed.get(key) if last.result is not None else None
    if last.trouble is not None and (failed or last.end is not None):
        failed = last.trouble.reason  # of several ranks, the first that failed
    if last.end is None:
        return ("failed", failed) if failed else ("lost", _why_not_done(last))
    if last.end.verdict == "done":
        return "lost", "was done, but its completion mark is gone"
    if _comes_back(last):
        return "lost", f"{last.end.reason}; it was not started again"
    return "failed", failed or last.end.reason or "failed"


def _why_not_done(last: Attempt) -> str:
    """Return why an attempt did not finish its unit, as far as its records say."""
    if last.end is not None:
        return last.end.reason or "was done, but its completion mark is gone"
    where = last.start.node if last.start is not None else "its node"
    return f"ended without a word on {where} (killed, or the node died)"


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
        chosen = tuple(
            unit
            for unit, state in open_units.items()
            if unit not in held and (state in retry or states[name][unit].remedy == "replace")
        )
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
    return Actions(
        submit=submit,
        ready=ready,
        rewire=rewire,
        release=release,
        unhold=_elements_with("release", (state for units in states.values() for state in units.values())),
        replace=_elements_with("replace", (states[name][unit] for name, units in submit.items() for unit in units)),
        held_back=held_back,
    )


def _elements_with(remedy: str, states: Iterable[UnitState]) -> tuple[str, ...]:
    """Return the Slurm ids of the elements that want a remedy, each once."""
    return tuple(dict.fromkeys(state.slurm_id for state in states if state.remedy == remedy))


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
    """Return what has all that it needs, while Slurm makes it wait for what still runs, has failed or is over.

    Slurm ids of arrays, or of elements where others of the array must wait.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, job in graph.jobs.items():
        above = [states[each] for each in job.upstream]
        if any(map(_moves, above)) and not (_reads_during(job) or any(map(_is_stuck, above))):
            continue
        waiting = _Waiting(job, done)
        arrays: dict[str, dict[str, bool]] = {}
        for unit, state in states[name].items():
            if state.state in LIVE and state.slurm_id:
                elements = arrays.setdefault(state.slurm_id.partition("_")[0], {})
                free = state.waits_in_array and waiting.is_over(job.units[unit])
                elements[state.slurm_id] = free and elements.get(state.slurm_id, True)
        if ids := tuple(each for array, elements in arrays.items() for each in _free(array, elements)):
            found[name] = ids
    return found


def _free(array: str, elements: Mapping[str, bool]) -> list[str]:
    """Return the array if all its living elements are free, else the free ones."""
    return [array] if all(elements.values()) else [element for element, free in elements.items() if free]


def _moves(states: Mapping[str, UnitState]) -> bool:
    return any(state.state in ("running", "queued") for state in states.values())


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
    true, however often the failed unit is done again elsewhere. `attempts` are those of `half_living` arrays.
    """
    living = _living(states)
    done = {(each.name.key, each.name.element) for each in attempts if each.end and each.end.verdict == "done"}
    ids: list[str] = []
    for entry in submissions:
        if entry.job != job or not entry.slurm_id or entry.key not in living:
            continue
        mine = living[entry.key]
        whole = all(each in mine or (entry.key, each) in done for each in range(len(entry.elements)))
        ids += [entry.slurm_id] if whole else [f"{entry.slurm_id}_{element}" for element in sorted(mine)]
    return tuple(ids)


def _living(states: Mapping[str, UnitState]) -> dict[str, set[int]]:
    """Return the elements in Slurm's hands by the key of their submission."""
    found: dict[str, set[int]] = {}
    for state in states.values():
        if state.state in LIVE:
            found.setdefault(state.key, set()).add(state.element)
    return found


def half_living(states: Mapping[str, UnitState], submissions: Sequence[Submission]) -> frozenset[str]:
    """Return the keys of arrays with some elements in Slurm's hands and others not."""
    living = _living(states)
    return frozenset(e.key for e in submissions if 0 < len(living.get(e.key, ())) < len(e.elements))


def live_arrays(job: str, states: Mapping[str, UnitState], submissions: Sequence[Submission]) -> tuple[Submission, ...]:
    """Return a job's arrays that still have an element in the queue."""
    keys = _living(states)
    return tuple(entry for entry in submissions if entry.job == job and entry.key in keys and entry.slurm_id)


def finished(states: States) -> bool:
    """Return whether every unit of every job is done."""
    return all(state.state == "done" for units in states.values() for state in units.values())


def in_flight(states: States) -> bool:
    """Return whether anything can still happen by itself: something runs, or waits for what is not stuck."""
    return any(state.state in ("running", "queued") for units in states.values() for state in units.values())
