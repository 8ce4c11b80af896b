"""The verbs of launch.py, each a function of its parsed arguments that returns the exit code."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from envs import bootstrap
from jobs import show
from jobs.checks.doctor import diagnose, print_findings
from jobs.logs import LogFilter, parse_since, print_log
from jobs.plan.cluster import Cluster, enter, known_clusters, load_cluster
from jobs.plan.crawl import OnGuess
from jobs.plan.forecasts import forecasts, reckoned
from jobs.plan.graph import Job
from jobs.plan.recipe import read_recipe
from jobs.run import faults
from jobs.run.local import LocalRun
from jobs.runs import Run, open_run, plan_run, run_roots
from jobs.submit import slurm
from jobs.submit.dispatch import new_submission, script_for, settle_intents, submit_all
from jobs.submit.ledger import write_cancel
from jobs.submit.reconcile import LIVE, States, finished, in_flight, next_actions
from jobs.submit.snapshot import ROOT
from stages.report.build import build_report
from stages.shared.contract import shard_dir
from stages.shared.errors import ClusterError, ConfigError, StagecoachError

WATCH_S = 3.0
PLANNED_ARRAY_SIZE = 1001
"""Slurm's own default for MaxArraySize, assumed when a plan is made where the cluster does not answer."""

console = Console(highlight=False, soft_wrap=False)


def log(message: str) -> None:
    """Say what happened, with the time of day."""
    console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), message), soft_wrap=True)


def _asked(arguments: argparse.Namespace, on_guess: OnGuess | None = None) -> Run:
    """Return the run that the command line describes."""
    recipe, cluster = read_recipe(arguments.recipe, arguments.set), load_cluster(arguments.cluster)
    return plan_run(recipe, cluster, run_roots(arguments.runs, [cluster])[0], arguments.name, on_guess)


def _opened(arguments: argparse.Namespace) -> Run:
    """Return an existing run, with this process set up to speak to its cluster."""
    journey = open_run(run_roots(arguments.runs, known_clusters()), arguments.run)
    enter(journey.cluster)
    os.umask(int(journey.cluster.umask, 8))
    return journey


def _have_stages(cluster: Cluster) -> None:
    """Go on in an environment with the stages' packages, unless the jobs have one of their own."""
    if cluster.python is None:
        bootstrap.reexec("stages", sys.argv[1:])


def plan(arguments: argparse.Namespace) -> int:
    """Show what `run` would do. Submits and writes nothing."""
    guesses: list[str] = []
    journey = _asked(arguments, guesses.append)
    states = _states_if_answering(journey)
    to_do = [job for name, job in journey.graph.jobs.items() if any(s.state != "done" for s in states[name].values())]
    found = forecasts(to_do, journey.cluster)
    journey = replace(journey, graph=reckoned(journey.graph, found))
    size = journey.cluster.max_array_size or _max_array_size(journey)
    lines = show.planned_jobs(journey, states, size)
    if arguments.sbatch:
        for guess in guesses:
            print(f"# {guess}")
        for line in lines:
            if line.to_do:
                job = journey.graph.jobs[line.job]
                elements = tuple((shard,) for shard in range(min(line.elements, size)))
                submission = new_submission(job, elements, 0)
                code = journey.paths.code / "CODE"
                print(script_for(journey, job, submission, code, tuple(f"<{need}>" for need in job.needs)))
        return 0
    if arguments.json:
        print(json.dumps(show.plan_data(journey, lines, found, guesses), indent=1))
    else:
        show.print_plan(console, journey, lines, found, guesses)
    return 0


def _states_if_answering(journey: Run) -> States:
    """Return every shard's state; for a cluster out of reach, as if its queue were empty."""
    try:
        enter(journey.cluster)
        return journey.look()[1]
    except ClusterError as error:
        log(f"planned without {journey.cluster.name}'s queue: {error}")
        return journey.look(reach=False)[1]


def _max_array_size(journey: Run) -> int:
    if journey.cluster.kind == "local":
        return sys.maxsize
    try:
        return slurm.max_array_size()
    except StagecoachError:
        return PLANNED_ARRAY_SIZE


def run(arguments: argparse.Namespace) -> int:
    """Submit what is missing; on the local cluster, run it in the foreground."""
    journey = _asked(arguments)
    forecasts(journey.graph.jobs.values(), journey.cluster)  # refuses what cannot work there
    _have_stages(journey.cluster)
    os.umask(int(journey.cluster.umask, 8))
    enter(journey.cluster)
    with journey.lock():
        journey.save()
        faults.plant(journey.paths, [faults.parse_fault(text) for text in arguments.fault])
        return _advance(journey, heal=False, wait=arguments.wait)


def heal(arguments: argparse.Namespace) -> int:
    """Submit again what failed or was lost, and mend the dependencies of what waits for it."""
    journey = _opened(arguments)
    _have_stages(journey.cluster)
    with journey.lock():
        return _advance(journey, heal=True, wait=arguments.wait)


def _advance(journey: Run, heal: bool, wait: bool) -> int:
    """Do what is to be done next and say how it stands; the way of `run`, `heal` and `demo`."""
    if journey.cluster.kind == "slurm":
        settle_intents(journey, log)
    states: States = journey.look()[1]
    if finished(states):
        log(f"Nothing to do: {journey.name} is finished in {journey.paths.root}")
        _offer_report(journey)
        return 0
    if journey.cluster.kind == "local":
        with _display(journey) as display:
            states = LocalRun(journey, log, display).run(heal)
    else:
        actions = next_actions(journey.graph, states, heal)
        for name, why in actions.held_back.items():
            log(f"{name}: not submitted, {why}")
        count = submit_all(journey, actions, states, log)
        log(f"{count} array{'s' * (count != 1)} submitted" if count else "nothing to submit")
        states = _follow(journey) if wait else journey.look()[1]
    console.print(show.status_view(journey, states))
    if finished(states):
        _offer_report(journey)
        return 0
    return 0 if in_flight(states) and not wait else 1


def _follow(journey: Run) -> States:
    """Watch a Slurm run until nothing can happen by itself any more."""
    with _display(journey) as display:
        while True:
            try:
                states = journey.look()[1]
            except ClusterError as error:  # a controller that is restarted is back in a moment
                log(f"{error}; looking again")
            else:
                display(states)
                if not in_flight(states):
                    return states
            time.sleep(WATCH_S)


class _display:  # noqa: N801  (used as a function: `with _display(journey) as show_states`)
    """A live table on a terminal; elsewhere one line whenever a job is done."""

    def __init__(self, journey: Run) -> None:
        self.journey = journey
        self.told: set[str] = set()
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Callable[[States], None]:
        if self.live:
            self.live.__enter__()
        return self.show

    def __exit__(self, *exc: object) -> None:
        if self.live:
            self.live.update("", refresh=True)
            self.live.__exit__(None, None, None)

    def show(self, states: States) -> None:
        """Bring the display up to date."""
        if self.live:
            self.live.update(show.status_view(self.journey, states), refresh=True)
            return
        for name, shards in states.items():
            done = sum(state.state == "done" for state in shards.values())
            if done == len(shards) and name not in self.told:
                self.told.add(name)
                log(f"{name}: {done}/{len(shards)} done")


def status(arguments: argparse.Namespace) -> int:
    """Show how a run stands. Exit code 0 if it is finished or getting on, 1 if it needs someone."""
    journey = _opened(arguments)
    while True:
        _, states = journey.look()
        if arguments.json:
            print(json.dumps(show.status_data(journey, states), indent=1), flush=True)
        else:
            if arguments.watch and console.is_terminal:
                console.clear()
            console.print(show.status_view(journey, states))
        if not arguments.watch or not in_flight(states):
            return 0 if finished(states) or in_flight(states) else 1
        time.sleep(WATCH_S)


def logs(arguments: argparse.Namespace) -> int:
    """Print the newest log of a job or of one unit of it, filtered."""
    now = datetime.now().astimezone()
    since = parse_since(arguments.since, now) if arguments.since else None
    wanted = LogFilter(rank=arguments.rank, level=arguments.level, since=since)
    journey = _opened(arguments)
    name, _, shard = arguments.job.partition("/")
    if name not in journey.graph.jobs:
        raise ConfigError("job", name, f"one of {', '.join(journey.graph.jobs)}")
    if shard and (not shard.isdigit() or int(shard) >= journey.graph.jobs[name].step.shards):
        raise ConfigError("shard", shard, f"a number from 0 to {journey.graph.jobs[name].step.shards - 1}")
    paths = [
        journey.paths.log(name, submission.key, element)
        for submission in journey.look()[0].submissions
        if submission.job == name
        for element in ([submission.element_of(int(shard))] if shard else range(len(submission.elements)))
        if element is not None
    ]
    written = [path for path in paths if path.is_file()]
    if not written:
        console.print(f"{arguments.job} has no log yet: it has not started.")
        return 1
    newest = max(written, key=lambda path: path.stat().st_mtime)
    if not arguments.json:
        console.print(Text(str(newest), style="dim"), soft_wrap=True)
    print_log(console, newest, wanted, arguments.json, arguments.follow)
    return 0


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel what is queued or running; finished shards and saved state stay, and `run` goes on from there."""
    journey = _opened(arguments)
    seen, states = journey.look()
    live = [state for shards in states.values() for state in shards.values() if state.state in LIVE]
    keys = {state.key for state in live}
    for key in keys:
        write_cancel(journey.paths, key, time.time())
    if journey.cluster.kind == "slurm":
        slurm.cancel([entry.slurm_id for entry in seen.submissions if entry.key in keys])
    else:
        for attempt in seen.attempts:
            if attempt.key in keys and not attempt.end and seen.alive(attempt):
                os.kill(int(attempt.start["pid"]), signal.SIGTERM)
    log(
        f"{len(live)} shard{'s' * (len(live) != 1)} of {journey.name} cancelled"
        if live
        else f"nothing of {journey.name} is queued or running"
    )
    return 0


def tune(arguments: argparse.Namespace) -> int:
    """Say what the web stages of a run would keep with other thresholds. Changes nothing."""
    journey = _opened(arguments)
    _have_stages(journey.cluster)
    tuning = importlib.import_module("jobs.tune")  # needs numpy, which the launcher's own environment lacks
    for line in tuning.lines(journey, arguments.set):
        console.print(line)
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run as it stands now, finished or not."""
    journey = _opened(arguments)
    build_report(journey.paths.root, _finished_outputs(journey), journey.paths.report)
    log(f"report: {journey.paths.report}")
    return 0


def _report_job(journey: Run) -> Job | None:
    """Return the run's job that makes its report, if it has one."""
    return next((job for job in journey.graph.jobs.values() if job.config.stage == "report"), None)


def _finished_outputs(journey: Run) -> dict[str, list[tuple[Path, str]]]:
    """Return the report section's input files that exist by now, by field."""
    job = _report_job(journey)
    if job is None:
        raise ConfigError("run", journey.name, "a run whose recipe has a report section")
    return {
        field: [(file.path, file.source) for file in files if file.path.exists()] for field, files in job.inputs.items()
    }


def demo(arguments: argparse.Namespace) -> int:
    """Run the whole journey on the sample web and say where its report is."""
    arguments.recipe, arguments.wait = "demo", True
    return run(arguments)


def _offer_report(journey: Run) -> None:
    """Link a finished run's report to where it is easily found, and say where that is."""
    job = _report_job(journey)
    if job is None:
        return
    (output,) = job.config.plan(job.inputs).outputs
    made = shard_dir(journey.paths.step(job.name, job.fingerprint).root, output.shard) / output.name
    aside = journey.paths.report.with_name(".report.html")
    aside.unlink(missing_ok=True)
    aside.symlink_to(made.relative_to(journey.paths.root))
    aside.replace(journey.paths.report)
    console.print(Text.assemble("The report of this journey: ", (str(journey.paths.report), "bold")), soft_wrap=True)


def doctor(arguments: argparse.Namespace) -> int:
    """Check this machine or cluster and say what to do."""
    cluster = load_cluster(arguments.cluster)
    enter(cluster)
    return int(print_findings(console, diagnose(cluster, run_roots(arguments.runs, [cluster])[0])))


CHECKS = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("mypy",)),
    ("layers", ("importlinter.cli",)),
)


def test(arguments: argparse.Namespace) -> int:
    """Run all checks that CI runs; arguments after `--` go to pytest alone and skip the rest."""
    if not (ROOT / "tests").is_dir():
        raise StagecoachError("the checks are in the repository, not in the installed package: run them in a clone")
    if arguments.pytest:
        return subprocess.run([sys.executable, "-m", "pytest", *arguments.pytest], cwd=ROOT, check=False).returncode
    failed = []
    for name, (module, *rest) in CHECKS:
        console.print(f"[bold]{name}[/]")
        command = [sys.executable, "-m", module, *rest]
        if module == "importlinter.cli":
            command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    console.print("[bold]tests[/]")
    # Two at a time, divided as tests/conftest.py says: one of them is mostly waiting for Slurm.
    whole = [sys.executable, "-m", "pytest", "--numprocesses=2", "--durations=15"]
    if subprocess.run(whole, cwd=ROOT, check=False).returncode:
        failed.append("tests")
    if failed:
        console.print(f"[red]failed: {', '.join(failed)}[/]")
    return 1 if failed else 0
