"""Advances a run: submits what is missing or runs it here, follows it, and links its report.

look -> next_actions -> Submitter (Slurm) or LocalRun (this machine) -> look again
"""

from __future__ import annotations

import time

from rich.text import Text

from jobs import show
from jobs.costs import with_unit_costs
from jobs.display import confirm, console, live_states, log
from jobs.marks import withdraw
from jobs.run.local import LocalRun
from jobs.runs import Run
from jobs.submit import slurm
from jobs.submit.arrays import Patience
from jobs.submit.dispatch import Submitter, release, release_held, settle_intents, unhold
from jobs.submit.ledger import read_cancels_of_run, write_cancel
from jobs.submit.reconcile import (
    DAMAGED,
    LIVE,
    Actions,
    Snapshot,
    States,
    finished,
    idle_services,
    in_flight,
    next_actions,
)
from jobs.submit.strays import strays, to_remove
from jobs.upkeep.packing import pack
from jobs.upkeep.spending import spending
from stages.formats.kinds import KINDS
from stages.shared.errors import ClusterError, StagecoachError
from stages.shared.numbers import plural

WATCH_S = 3.0


def advance(run: Run, heal: bool, wait: bool, verify: bool = False, yes: bool = True) -> int:
    """Do what comes next and show the result; return the exit code. The way of `run`, `heal` and `demo`.

    Without `yes`, asks before it submits more than the cluster file's `ask_above`. With `verify`, the output of done
    units is compared with its digests. Side effect: what is damaged loses its mark.
    """
    run, cancels = with_unit_costs(run), read_cancels_of_run(run.paths)
    if run.cluster.kind == "slurm":
        settle_intents(run, log)
        release_held(run, log)
    seen, states = run.look(files="digests" if verify else "all")
    _withdraw_damaged(run, seen)
    if finished(states):
        log(f"Nothing to do: {run.name} is finished in {run.paths.root}")
        if run.cluster.kind == "slurm":
            _tidy(run, seen, states)
        _pack(run, states)
        _offer_report(run)
        return 0
    if run.cluster.kind == "local":
        with live_states(run) as display:
            states = LocalRun(run, log, display).advance(heal)
    else:
        patience = Patience(log=log, waits=wait, is_cancelled=lambda: not read_cancels_of_run(run.paths) <= cancels)
        actions = next_actions(run.graph, states, seen.done, heal)
        _require_consent(run, actions, yes)
        seen, states = _submit(run, seen, states, actions, patience)
    console.print(show.status_view(run, states, strays(run.graph, states, seen)), soft_wrap=True)
    if finished(states):
        _pack(run, states)
        _offer_report(run)
        return 0
    return 0 if in_flight(states) and not wait else 1


def _withdraw_damaged(run: Run, seen: Snapshot) -> None:
    for name, damaged in seen.damaged.items():
        job = run.graph.jobs[name]
        withdraw(run.paths.step(name, job.fingerprint), damaged)
        for unit, text in damaged.items():
            if "/" not in unit:  # what it published is named with it
                log(f"{name}/{job.units[unit].key if unit in job.units else unit}: {DAMAGED}: {text}")


def _require_consent(run: Run, actions: Actions, yes: bool) -> None:
    """Ask before much is spent. Raises StagecoachError where the answer is no."""
    beyond = spending(run.graph, actions).beyond(run.cluster.ask_above)
    if beyond and not yes and not confirm(f"This submits {beyond}. Submit?"):
        raise StagecoachError(
            f"nothing submitted: {beyond} is more than `ask_above` of cluster {run.cluster.name}. Look at "
            "`launch.py plan`, then give --yes"
        )


def _submit(run: Run, seen: Snapshot, states: States, actions: Actions, patience: Patience) -> tuple[Snapshot, States]:
    """Submit to Slurm what comes next, follow the run if the launcher waits, and return the last look."""
    for name, why in actions.held_back.items():
        log(f"{name}: not submitted, {why}")
    unhold(actions, log)
    count = Submitter(run, seen, states, patience).submit(actions) if actions.submit or actions.rewire else 0
    log(f"{count} array{'s' * (count != 1)} submitted" if count else "nothing to submit")
    return _follow(run) if patience.waits else _look_after(run)[:2]


def _follow(run: Run) -> tuple[Snapshot, States]:
    """Watch a Slurm run until nothing can happen by itself any more."""
    with live_states(run) as display:
        while True:
            try:
                seen, states, has_released = _look_after(run)
            except ClusterError as error:  # a controller that is restarted is back in a moment
                log(f"{error}; looking again")
            else:
                display(states)
                if not (in_flight(states) or has_released):
                    return seen, states
            time.sleep(WATCH_S)


def _look_after(run: Run) -> tuple[Snapshot, States, bool]:
    """Return a look at a Slurm run, and whether elements were let go that need not wait any more.

    Side effect: lets these go, stops services that are idle, and removes done elements that Slurm holds.
    """
    seen, states = run.look()
    actions = next_actions(run.graph, states, seen.done, heal=False)
    release(actions, log)
    _stop_services(run, states)
    _tidy(run, seen, states)
    return seen, states, bool(actions.release)


def _tidy(run: Run, seen: Snapshot, states: States) -> None:
    """Remove done elements that Slurm holds."""
    if ids := to_remove(states, seen):
        slurm.cancel(ids)
        log(f"{plural(len(ids), 'done element')} of {run.name} held by Slurm and removed from the queue")


def _pack(run: Run, states: States) -> None:
    if saved := pack(run, states):
        log(f"{plural(saved, 'record')} of {run.name} packed into a few files")


def _stop_services(run: Run, states: States) -> None:
    """Cancel services without readers to come: they would hold their nodes to the time limit."""
    for name in idle_services(run.graph, states, ()):
        live = [state for state in states[name].values() if state.state in LIVE]
        for state in live:
            write_cancel(run.paths, state.key, time.time())
        if live:
            log(f"{name}: no longer needed; stopping it")
            slurm.cancel([state.slurm_id for state in live])


def _offer_report(run: Run) -> None:
    """Link a finished run's report to where it is easily found, and print the place."""
    if made := run.made(KINDS.report):
        aside = run.paths.report.with_name(".report.html")
        aside.unlink(missing_ok=True)
        aside.symlink_to(made.relative_to(run.paths.root))
        aside.replace(run.paths.report)
        console.print(Text.assemble("The report of this journey: ", (str(run.paths.report), "bold")), soft_wrap=True)
