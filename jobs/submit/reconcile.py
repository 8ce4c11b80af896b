"""What is the state of every shard, and what is to be done next? Pure: snapshots in, states and actions out.

plan + completion marks + ledger + queue  ->  ShardState of each shard  ->  Actions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from jobs.plan.graph import Graph, Job
from jobs.submit.ledger import Attempt, Submission
from jobs.submit.slurm import QueueRow

HELD = ("JobHeldUser", "JobHeldAdmin", "job requeued in held state", "launch failed requeued held")
"""Slurm's reasons for a pending job that nothing but `scontrol release` will start."""
FINAL = ("failed", "never", "cancelled")
"""Verdicts after which the batch script does not start its element again."""
State = Literal["done", "running", "queued", "blocked", "failed", "lost", "cancelled", "missing"]
LIVE: frozenset[State] = frozenset({"running", "queued", "blocked"})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that was seen at one moment."""

    done: Mapping[str, frozenset[int]]
    """Finished shards of each job at its present fingerprint."""
    submissions: Sequence[Submission]
    attempts: Sequence[Attempt]
    queue: Sequence[QueueRow]
    """Empty on the local cluster."""
    cancelled: frozenset[str] = frozenset()
    alive: Callable[[Attempt], bool] = lambda attempt: False
    """Local cluster: whether an attempt's process still runs."""
    launcher_elsewhere: bool = False
    """Local cluster: another process runs this journey; what has not started waits for it."""


@dataclass(frozen=True, kw_only=True)
class ShardState:
    """One shard: where it stands and, unless all is well, why."""

    state: State
    reason: str = ""
    slurm_id: str = ""
    key: str = ""
    element: int = -1
    attempts: int = 0
    progress: int = -1


States = Mapping[str, Mapping[int, ShardState]]
"""The state of every shard, by job and shard."""


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What `run` or `heal` should do, in order: submit, then rewrite dependencies."""

    submit: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shards to submit by job, in the graph's order."""
    rewire: tuple[str, ...] = ()
    """Jobs with queued arrays whose dependencies must be written anew, because something upstream was resubmitted."""
    held_back: Mapping[str, str] = field(default_factory=dict)
    """Jobs left alone, with the reason."""


def shard_states(graph: Graph, seen: Snapshot) -> dict[str, dict[int, ShardState]]:
    """Return the state of every shard of every job."""
    rows = {row.slurm_id: row for row in seen.queue}
    attempts: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in seen.attempts:
        attempts.setdefault((attempt.key, attempt.element), []).append(attempt)
    latest: dict[tuple[str, int], tuple[Submission, int]] = {}
    for submission in seen.submissions:
        job = graph.jobs.get(submission.job)
        if job is not None and job.fingerprint == submission.fingerprint:
            for element, shards in enumerate(submission.elements):
                latest.update({(submission.job, shard): (submission, element) for shard in shards})
    states: dict[str, dict[int, ShardState]] = {}
    for name, job in graph.jobs.items():
        states[name] = {}
        for shard in range(job.step.shards):
            if shard in seen.done.get(name, frozenset()):
                states[name][shard] = ShardState(state="done", reason="")
            elif (name, shard) not in latest:
                states[name][shard] = ShardState(state="missing")
            else:
                submission, element = latest[name, shard]
                tries = sorted(attempts.get((submission.key, element), []), key=lambda attempt: attempt.restart)
                row = rows.get(f"{submission.slurm_id}_{element}") if submission.slurm_id else None
                states[name][shard] = _submitted(submission, element, shard, tries, row, seen)
    _mark_blocked(graph, states)
    return states


def _mark_blocked(graph: Graph, states: dict[str, dict[int, ShardState]]) -> None:
    """Turn `queued` into `blocked` wherever something upstream cannot finish by itself, in place.

    Slurm says so only of the direct dependent; one further down looks like an ordinary pending job for ever.
    """
    stuck: dict[str, str] = {}
    for name, job in graph.jobs.items():
        culprit = next((stuck[need] for need in job.needs if need in stuck), None)
        if culprit is not None:
            for shard, state in states[name].items():
                if state.state in ("queued", "blocked"):
                    states[name][shard] = replace(state, state="blocked", reason=f"waits for {culprit}")
            stuck[name] = culprit
        elif any(state.state in ("failed", "lost", "cancelled", "blocked") for state in states[name].values()):
            stuck[name] = name


def _submitted(
    submission: Submission, element: int, shard: int, tries: Sequence[Attempt], row: QueueRow | None, seen: Snapshot
) -> ShardState:
    """Return the state of a shard that was submitted and has no completion mark."""
    last = tries[-1] if tries else None
    state, reason = _judge(submission, shard, last, row, seen)
    return ShardState(
        state=state,
        reason=reason,
        slurm_id=f"{submission.slurm_id}_{element}" if submission.slurm_id else "",
        key=submission.key,
        element=element,
        attempts=len(tries),
        progress=max((attempt.progress for attempt in tries), default=-1),
    )


def _judge(
    submission: Submission, shard: int, last: Attempt | None, row: QueueRow | None, seen: Snapshot
) -> tuple[State, str]:
    if row is not None and not _lingers(row, last):
        if row.is_running:
            return "running", f"on {row.node}"
        if row.reason == "DependencyNeverSatisfied":
            return "blocked", "what it waits for has failed"
        if row.reason in HELD:
            return "blocked", f"held ({row.reason}): scontrol release {row.slurm_id}"
        return "queued", row.reason
    if last is not None and not last.end and seen.alive(last):
        return "running", f"process {last.start.get('pid')}"
    if submission.key in seen.cancelled:
        return "cancelled", "cancelled by the user"
    waits = seen.launcher_elsewhere and (last is None or last.end.get("verdict") in ("requeue", "bad-node"))
    if waits:
        return "queued", "waits for a free core"
    if last is None:
        return "lost", "left the queue before it began"
    if not last.end:
        failed = last.result.get("failed", {}).get(str(shard))
        return (
            ("failed", failed)
            if failed
            else ("lost", f"ended without a word on {last.start.get('node')} (killed, or the node died)")
        )
    if last.end["verdict"] == "done":
        return "lost", "was done, but its completion mark is gone"
    if last.end["verdict"] in ("requeue", "bad-node"):
        return "lost", f"{last.end['reason']}; it was not started again"
    return "failed", last.result.get("failed", {}).get(str(shard)) or str(last.end.get("reason", "failed"))


def _lingers(row: QueueRow, last: Attempt | None) -> bool:
    """Return whether the queue still lists a start that is over.

    The batch script notes its verdict a moment before it ends. A row with more restarts than the attempt is about a
    later start, by hand or by the site, that has not said a word yet.
    """
    return row.is_running and last is not None and last.end.get("verdict") in FINAL and row.restarts <= last.restart


def next_actions(graph: Graph, states: Mapping[str, Mapping[int, ShardState]], heal: bool) -> Actions:
    """Return what to submit now.

    Always what is missing, lost or cancelled; with `heal` also what failed. A job downstream of a failure that is not
    being healed is held back: it could not start.
    """
    submit: dict[str, tuple[int, ...]] = {}
    held_back: dict[str, str] = {}
    retry: set[State] = {"missing", "lost", "cancelled"}
    if heal:
        retry.add("failed")
    for name, job in graph.jobs.items():
        stuck = next((need for need in job.needs if need in held_back or _has_failed(states[need], need, submit)), None)
        if stuck is not None:
            held_back[name] = f"waits for {stuck}"
            continue
        shards = tuple(shard for shard, state in states[name].items() if state.state in retry)
        if shards:
            submit[name] = shards
    resubmitted = set(submit)
    rewire = tuple(
        name for name, job in graph.jobs.items() if name not in held_back and _is_adrift(job, states[name], resubmitted)
    )
    return Actions(submit=submit, rewire=rewire, held_back=held_back)


def _is_adrift(job: Job, states: Mapping[int, ShardState], resubmitted: set[str]) -> bool:
    """Return whether queued arrays of a job wait for what is no more: also if a launcher died before it mended that."""
    kinds = {state.state for state in states.values()}
    return "blocked" in kinds or ("queued" in kinds and bool(resubmitted & set(job.needs)))


def _has_failed(states: Mapping[int, ShardState], name: str, submit: Mapping[str, tuple[int, ...]]) -> bool:
    again = set(submit.get(name, ()))
    return any(state.state == "failed" and shard not in again for shard, state in states.items())


def waits_for(
    job: str, states: Mapping[int, ShardState], submissions: Sequence[Submission], attempts: Sequence[Attempt]
) -> tuple[str, ...]:
    """Return the Slurm ids that a dependent of `job` must wait for: arrays whose every element can still succeed.

    Of an array in which one element has failed, each living element by itself: `afterok` on the whole could never come
    true, however often the failed shard is done again elsewhere.
    """
    living = {(state.key, state.element) for state in states.values() if state.state in LIVE}
    done = {(entry.key, entry.element) for entry in attempts if entry.end.get("verdict") == "done"}
    ids: list[str] = []
    for entry in submissions:
        mine = [element for element in range(len(entry.elements)) if (entry.key, element) in living]
        if entry.job != job or not entry.slurm_id or not mine:
            continue
        whole = all((entry.key, element) in living | done for element in range(len(entry.elements)))
        ids += [entry.slurm_id] if whole else [f"{entry.slurm_id}_{element}" for element in mine]
    return tuple(ids)


def live_arrays(job: str, states: Mapping[int, ShardState], submissions: Sequence[Submission]) -> tuple[str, ...]:
    """Return the ids of a job's arrays of which something is still in the queue."""
    keys = {state.key for state in states.values() if state.state in LIVE}
    return tuple(entry.slurm_id for entry in submissions if entry.job == job and entry.key in keys and entry.slurm_id)


def finished(states: Mapping[str, Mapping[int, ShardState]]) -> bool:
    """Return whether every shard of every job is done."""
    return all(state.state == "done" for shards in states.values() for state in shards.values())


def in_flight(states: Mapping[str, Mapping[int, ShardState]]) -> bool:
    """Return whether anything can still happen by itself: something runs, or waits for what is not stuck."""
    return any(state.state in ("running", "queued") for shards in states.values() for state in shards.values())
