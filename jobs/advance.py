"""Advances a run: submits what is missing or runs it here, follows it, and links its report.

look -> next_actions -> submit_all (Slurm) or LocalRun (this machine) -> look again
"""

from __future__ import annotations

import time

from rich.text import Text

from jobs import show
from jobs.display import console, live_states, log
from jobs.run.local import LocalRun
from jobs.runs import Run
from jobs.submit import slurm
from jobs.submit.dispatch import release, settle_intents, submit_all
from jobs.submit.ledger import write_cancel
from jobs.submit.reconcile import LIVE, States, finished, idle_services, in_flight, next_actions
from stages.formats.kinds import KINDS
from stages.shared.errors import ClusterError

WATCH_S = 3.0


def advance(run: Run, heal: bool, wait: bool) -> int:
    """Do what comes next and show the result; return the exit code. The way of `run`, `heal` and `demo`."""
    if run.cluster.kind == "slurm":
        settle_intents(run, log)
    seen, states = run.look()
    if finished(states):
        log(f"Nothing to do: {run.name} is finished in {run.paths.root}")
        _offer_report(run)
        return 0
    if run.cluster.kind == "local":
        with live_states(run) as display:
            states = LocalRun(run, log, display).advance(heal)
    else:
        actions = next_actions(run.graph, states, seen.done, heal)
        for name, why in actions.held_back.items():
            log(f"{name}: not submitted, {why}")
        count = submit_all(run, actions, states, log)
        log(f"{count} array{'s' * (count != 1)} submitted" if count else "nothing to submit")
        states = _follow(run) if wait else _look_after(run)[0]
    console.print(show.status_view(run, states))
    if finished(states):
        _offer_report(run)
        return 0
    return 0 if in_flight(states) and not wait else 1


def _follow(run: Run) -> States:
    """Watch a Slurm run until nothing can happen by itself any more."""
    with live_states(run) as display:
        while True:
            try:
                states, has_released = _look_after(run)
            except ClusterError as error:  # a controller that is restarted is back in a moment
                log(f"{error}; looking again")
            else:
                display(states)
                if not (in_flight(states) or has_released):
                    return states
            time.sleep(WATCH_S)


def _look_after(run: Run) -> tuple[States, bool]:
    """Return the states of a Slurm run, and whether elements were let go that need not wait any more.

    Side effect: lets these go, and stops services that are idle.
    """
    seen, states = run.look()
    actions = next_actions(run.graph, states, seen.done, heal=False)
    release(actions, log)
    _stop_services(run, states)
    return states, bool(actions.release)


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
    found = [
        (run.graph.jobs[f"{section}.{output.step}" if output.step else section], output)
        for section, outputs in run.graph.outputs.items()
        for output in outputs
        if output.kind == KINDS.report
    ]
    for job, output in found[:1]:
        unit = next(unit for unit in job.units.values() if unit.key == output.unit)
        made = run.paths.step(job.name, job.fingerprint).unit(unit.folder) / output.file
        aside = run.paths.report.with_name(".report.html")
        aside.unlink(missing_ok=True)
        aside.symlink_to(made.relative_to(run.paths.root))
        aside.replace(run.paths.report)
        console.print(Text.assemble("The report of this journey: ", (str(run.paths.report), "bold")), soft_wrap=True)
