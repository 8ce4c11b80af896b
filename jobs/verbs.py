"""The verbs of launch.py: each is a function of its parsed arguments that returns the exit code.

`run` in a few lines:

    recipe, cluster = read_recipe(...), load_cluster(...)      jobs/plan
    run = plan_run(recipe, cluster, ...)                       jobs/runs.py: files found, graph built, nothing written
    states = run.look()                                        marks, ledger, queue -> the state of every unit
    actions = next_actions(run.graph, states, ...)             jobs/submit/reconcile.py, pure
    Submitter(run, ...).submit() or LocalRun(run).advance()    arrays to sbatch, or elements on this machine
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from rich.text import Text

from envs import bootstrap
from jobs import show
from jobs.advance import WATCH_S, advance
from jobs.chat import CHAT, with_chat
from jobs.checks.answers import answers, judge_limits, limits
from jobs.checks.answers import lines_of as answer_lines
from jobs.checks.doctor import diagnose, print_findings
from jobs.checks.propose import propose
from jobs.costs import with_unit_costs
from jobs.display import confirm, console, log, warn
from jobs.history import begun, changes, lines_of, require_consent
from jobs.logs import LogFilter, newest_log, parse_since, print_log
from jobs.nightly.bell import Bell
from jobs.nightly.install import change_nights
from jobs.nightly.night import line_of, next_time, one_night, read_record
from jobs.nightly.schedule import parse_time
from jobs.plan.budget import tables
from jobs.plan.cluster import Cluster, Resources, automatic, cluster_names, enter, known_clusters, load_cluster
from jobs.plan.crawl import OnGuess
from jobs.plan.forecasts import forecasts, with_forecasts
from jobs.plan.graph import Job
from jobs.plan.recipe import read_recipe
from jobs.plan.validation import validated
from jobs.prune import remove, superseded
from jobs.run import faults
from jobs.runs import Run, open_run, plan_run, run_roots
from jobs.submit import slurm
from jobs.submit.adjustments import Adjustment, chosen_jobs
from jobs.submit.dispatch import new_submission, script_for
from jobs.submit.ledger import write_cancel, write_cancel_of_all
from jobs.submit.reconcile import LIVE, States, finished, in_flight
from jobs.submit.render import Place
from jobs.submit.snapshot import ROOT
from jobs.submit.strays import ending, strays
from jobs.submit.strikes import clear_strikes, in_force, read_strikes, strike_lines
from jobs.submit.throttle import shares
from jobs.tools import run_tool
from jobs.upkeep.adjust import adjust as change_queue
from jobs.upkeep.adjust import adjustment_lines, parse_minutes
from jobs.upkeep.completion import script as completion_script
from jobs.upkeep.overview import print_runs, print_table, run_lines
from jobs.upkeep.waste import as_csv, as_html, as_rows, run_costs
from stages.shared.errors import ClusterError, ConfigError, StagecoachError, nearest
from stages.shared.log import printable
from stages.shared.numbers import plural, size

PLANNED_ARRAY_SIZE = 1001
"""Slurm's own default for MaxArraySize, assumed when a plan is made where the cluster does not answer."""


def _asked(arguments: argparse.Namespace, on_guess: OnGuess | None = None) -> Run:
    """Return the run that the command line describes."""
    recipe, cluster = read_recipe(arguments.recipe, arguments.set), load_cluster(arguments.cluster)
    root = run_roots(arguments.runs, [cluster])[0]
    return plan_run(recipe, cluster, root, arguments.name, on_guess, _run_words(arguments, root))


def _run_words(arguments: argparse.Namespace, root: Path) -> list[str]:
    """Return the words of the `run` command that makes the run of a command line, from any shell."""
    words = ["run", arguments.recipe, "--cluster", arguments.cluster]
    words += [word for override in arguments.set for word in ("--set", override)]
    words += ["--name", arguments.name] if arguments.name is not None else []
    return words + (["--runs", str(root)] if arguments.runs or os.environ.get("STAGECOACH_RUNS") else [])


def _seen(arguments: argparse.Namespace) -> Run:
    """Return an existing run to look at, with this process set up to speak to its cluster."""
    opened = open_run(run_roots(arguments.runs, known_clusters()), arguments.run)
    enter(opened.cluster)
    os.umask(int(opened.cluster.umask, 8))
    return opened


def _opened(arguments: argparse.Namespace) -> Run:
    """Return an existing run to act on. Raises StagecoachError if this user may only look at it."""
    opened = _seen(arguments)
    opened.require_own()
    return opened


def _have_stages(cluster: Cluster) -> None:
    """Go on in an environment with the stages' packages, unless the jobs have one of their own."""
    if cluster.python is None:
        bootstrap.reexec("stages", sys.argv[1:])


def plan(arguments: argparse.Namespace) -> int:
    """Show what `run` would do. Submits and writes nothing."""
    guesses: list[str] = []
    planned = _asked(arguments, guesses.append)
    states = _states_if_answering(planned)
    to_do = [job for name, job in planned.graph.jobs.items() if any(s.state != "done" for s in states[name].values())]
    changed = changes(planned.paths, to_do)
    found = forecasts(to_do, planned.cluster, begun(planned.paths, to_do, changed))
    planned = with_unit_costs(replace(planned, graph=with_forecasts(planned.graph, found)))
    notes = [*guesses, *lines_of(changed), *adjustment_lines(planned.paths)]
    array_size = planned.cluster.max_array_size or _max_array_size(planned)
    lines = show.planned_jobs(planned, states, array_size)
    if arguments.sbatch:
        for note in notes:
            print(printable(f"# {note}"))
        for line in lines:
            if line.to_do:
                job = planned.graph.jobs[line.job]
                submission = new_submission(job, (("",),) * min(line.elements, array_size), 0)
                (throttle, *_), _ = shares(job.resources.throttle, line.arrays)
                place = Place(throttle=throttle, after=tuple(f"<{need}>" for need in job.upstream))
                print(printable(script_for(planned, job, submission, planned.paths.code / "CODE", place)))
        return 0
    said = _said_by_cluster(planned, lines)
    if arguments.json:
        print(json.dumps({**show.plan_data(planned, lines, found, notes), "cluster_says": said}, indent=1))
    else:
        show.print_plan(console, planned, lines, found, notes)
        for sentence in said:
            console.print(Text(printable(sentence)), soft_wrap=True)
    return 0


def _said_by_cluster(planned: Run, lines: Sequence[show.PlannedJob]) -> list[str]:
    """Return what Slurm says about a plan's jobs and limits; nothing for another cluster, or one out of reach."""
    to_do = [line for line in lines if line.to_do]
    if planned.cluster.kind != "slurm" or not to_do:
        return []
    try:
        found = list(answers(planned.cluster, [planned.graph.jobs[line.job] for line in to_do]))
        return [*answer_lines(found), *judge_limits(sum(line.elements for line in to_do), limits())]
    except ClusterError as error:
        return [f"Slurm was not asked: {error}"]


def budget(arguments: argparse.Namespace) -> int:
    """Print what Chinchilla buys with parameters, tokens or GPU-hours."""
    for each in tables(arguments):
        console.print(each)
    return 0


def _states_if_answering(run: Run) -> States:
    """Return every unit's state; for a cluster out of reach, as if its queue were empty."""
    try:
        enter(run.cluster)
        return run.look()[1]
    except ClusterError as error:
        warn(f"planned without {run.cluster.name}'s queue: {error}")
        return run.look(reach=False)[1]


def _max_array_size(run: Run) -> int:
    if run.cluster.kind == "local":
        return sys.maxsize
    try:
        return slurm.max_array_size()
    except StagecoachError:
        return PLANNED_ARRAY_SIZE


def run(arguments: argparse.Namespace) -> int:
    """Submit what is missing; on the local cluster, run it in the foreground."""
    asked = _asked(arguments)
    planted = [_known_fault(asked, text) for text in arguments.fault]
    forecasts(asked.graph.jobs.values(), asked.cluster)  # refuses what cannot work there
    changed = changes(asked.paths, asked.graph.jobs.values())
    for line in lines_of(changed):
        log(line)
    require_consent(changed, lambda lost: arguments.yes or confirm(f"{lost}. Start anew?"))
    _have_stages(asked.cluster)
    os.umask(int(asked.cluster.umask, 8))
    enter(asked.cluster)
    with asked.lock():
        asked.save()
        faults.plant(asked.paths, planted)
        return advance(asked, heal=False, wait=arguments.wait, yes=arguments.yes)


def nightly(arguments: argparse.Namespace) -> int:
    """Install or remove a run's nights; with --once, do the work of one."""
    asked, at = _asked(arguments), parse_time(arguments.at)
    webhook = Path(arguments.webhook_file).expanduser().absolute() if arguments.webhook_file else None
    bell = Bell(command=arguments.command, webhook_file=webhook)
    bell.check()
    os.umask(int(asked.cluster.umask, 8))
    enter(asked.cluster)
    if not arguments.once:
        return change_nights(asked, at, arguments, bell)
    _have_stages(asked.cluster)

    def work() -> int:
        with asked.lock():
            asked.save()
            return advance(asked, heal=True, wait=True)

    return one_night(asked, work, bell, next_time(at, datetime.now().astimezone()))


def _known_fault(asked: Run, text: str) -> faults.Fault:
    """Return a fault of the command line. Raises ConfigError for a job or unit that the run does not have."""
    fault = faults.parse_fault(text)
    if fault.job not in asked.graph.jobs:
        raise ConfigError(
            "--fault", text, f"a fault of a job of this run; {nearest(fault.job, list(asked.graph.jobs))}"
        )
    _unit_folder(asked.graph.jobs[fault.job], fault.unit, "--fault")
    return fault


def heal(arguments: argparse.Namespace) -> int:
    """Submit again what failed or was lost, and mend the dependencies of what waits for it."""
    opened = _opened(arguments)
    _have_stages(opened.cluster)
    with opened.lock():
        opened.require_same_inputs(opened.look()[1])
        return advance(opened, heal=True, wait=arguments.wait, verify=arguments.verify, yes=arguments.yes)


def status(arguments: argparse.Namespace) -> int:
    """Show how a run stands. Exit code 0 if it is finished or in progress, 1 if it needs a person."""
    opened = _seen(arguments)
    while True:
        seen, states = opened.look()
        beyond = strays(opened.graph, states, seen)
        night = read_record(opened.paths)
        if arguments.json:
            data = {**show.status_data(opened, states, beyond), "nightly": asdict(night) if night else None}
            print(json.dumps(data, indent=1), flush=True)
        else:
            if arguments.watch and console.is_terminal:
                console.clear()
            console.print(show.status_view(opened, states, beyond), soft_wrap=True)  # commands are copied whole
            for line in adjustment_lines(opened.paths):
                console.print(Text(printable(line)), soft_wrap=True)
            if night:
                console.print(Text(printable(line_of(night, datetime.now().astimezone()))), soft_wrap=True)
        if not arguments.watch or not in_flight(states):
            return 0 if finished(states) or in_flight(states) else 1
        time.sleep(WATCH_S)


def logs(arguments: argparse.Namespace) -> int:
    """Print the newest log of a job or of one unit of it, filtered."""
    since = parse_since(arguments.since, datetime.now().astimezone()) if arguments.since else None
    wanted = LogFilter(rank=arguments.rank, level=arguments.level, since=since)
    opened = _seen(arguments)
    name, _, unit = arguments.job.partition("/")
    if name not in opened.graph.jobs:
        raise ConfigError("job", name, f"one of {', '.join(opened.graph.jobs)}")
    folder = _unit_folder(opened.graph.jobs[name], unit) if unit else None
    paths = [
        opened.paths.log(name, submission.key, element)
        for submission in opened.ledger.submissions()
        if submission.job == name
        for element in ([submission.element_of(folder)] if folder else range(len(submission.elements)))
        if element is not None
    ]
    newest = newest_log(paths)
    if newest is None:
        console.print(Text(f"{arguments.job} has no log yet: it has not started."))
        return 1
    if not arguments.json:
        console.print(Text(str(newest), style="dim"), soft_wrap=True)
    print_log(console, newest, wanted, arguments.json, arguments.follow)
    return 0


def _unit_folder(job: Job, name: str, setting: str = "unit") -> str:
    """Return the folder of a unit that is named by its key or by its place."""
    found = next((unit.folder for unit in job.units.values() if unit.key == name), None)
    if found is None and name.isdecimal() and int(name) < len(job.units):
        found = list(job.units)[int(name)]
    if found is None:
        some = ", ".join(unit.key for unit in list(job.units.values())[:5])
        raise ConfigError(setting, name, f"a unit's key ({some}) or a place from 0 to {len(job.units) - 1}")
    return found


def cancel(arguments: argparse.Namespace) -> int:
    """Cancel what is queued or running; finished units and saved state stay, and `run` goes on from there.

    Takes no lock, for a launcher that waits holds it. The mark is written before the queue is read, and a launcher that
    submits looks for it behind each sbatch: one of the two cancels the array.
    """
    opened = _opened(arguments)
    if arguments.strays:
        return _cancel_strays(opened)
    write_cancel_of_all(opened.paths, time.time())
    seen, states = opened.look()
    live = [state for units in states.values() for state in units.values() if state.state in LIVE and state.key]
    intents = {entry.key for entry in seen.submissions if entry.is_intent and entry.launcher}
    keys = {state.key for state in live} | {row.key for row in seen.queue} | intents
    for key in keys:
        write_cancel(opened.paths, key, time.time())
    if opened.cluster.kind == "slurm":
        slurm.cancel(sorted({row.array for row in seen.queue}))
    else:
        for attempt in seen.attempts:
            if attempt.name.key in keys and attempt.start and not attempt.end and seen.alive(attempt):
                os.kill(attempt.start.pid, signal.SIGTERM)
    others = sum(len(each.slurm_ids) for each in strays(opened.graph, states, seen))
    more = f" and {plural(others, 'stray element')}" if others else ""
    log(
        f"{plural(len(live), 'unit')}{more} of {opened.name} cancelled"
        if live or others
        else f"nothing of {opened.name} is queued or running"
    )
    return 0


def _cancel_strays(opened: Run) -> int:
    """Cancel what the queue holds beyond the plan, and leave the plan's own jobs alone."""
    seen, states = opened.look()
    found = strays(opened.graph, states, seen)
    ids, keys = ending(found, states, seen)
    for key in keys:
        write_cancel(opened.paths, key, time.time())
    slurm.cancel(ids)
    count = sum(len(each.slurm_ids) for each in found)
    log(f"{plural(count, 'stray element')} of {opened.name} cancelled" if count else f"{opened.name} has no strays")
    return 0


def adjust(arguments: argparse.Namespace) -> int:
    """Change a run in the queue, and what it submits from now on."""
    opened = _opened(arguments)
    if opened.cluster.kind != "slurm":
        raise StagecoachError(f"{opened.name} is on a cluster without a queue: only runs on Slurm are adjusted")
    asked = {"throttle": arguments.throttle, "exclude": arguments.exclude, "partition": arguments.partition}
    values = {name: value for name, value in asked.items() if value is not None}
    if arguments.time is not None:
        values["time_min"] = parse_minutes(arguments.time)
    if not (values or arguments.hold or arguments.release or arguments.reset):
        raise ConfigError("adjust", "", "at least one of --throttle, --exclude, --partition, --time, --hold, --release")
    validated(Resources, values, "adjust")
    hold = True if arguments.hold else False if arguments.release else None
    jobs = chosen_jobs(opened.graph, arguments.job)
    entry = Adjustment(jobs=jobs, values=values, hold=hold, reset=arguments.reset)
    change_queue(opened, entry, log)
    for line in adjustment_lines(opened.paths):
        log(line)
    return 0


def cost(arguments: argparse.Namespace) -> int:
    """Show what a run has cost and wasted, by job."""
    opened = _seen(arguments)
    found = run_costs(opened)
    if arguments.json:
        print(json.dumps(as_rows(found), indent=1))
    elif arguments.csv:
        print(as_csv(found), end="")
    elif arguments.html:
        print(as_html(opened.name, found), end="")
    else:
        print_table(console, as_rows(found))
    return 0


def nodes(arguments: argparse.Namespace) -> int:
    """Show the strikes of nodes, or clear some."""
    opened = _opened(arguments) if arguments.clear else _seen(arguments)
    if arguments.clear:
        log(f"{plural(clear_strikes(opened.paths, arguments.clear), 'strike')} cleared")
    rule, now = opened.cluster.strikes, time.time()
    found = in_force(read_strikes(opened.paths), now, rule.hours)
    if arguments.json:
        print(json.dumps([asdict(strike) for strike in found], indent=1))
        return 0
    for line in strike_lines(found, rule.limit, now):
        console.print(Text(printable(line)), soft_wrap=True)
    if not found:
        console.print(Text(f"no element of {opened.name} has found a node bad in the last {rule.hours:g} h"))
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """List the files of earlier settings that a run no longer uses; with --yes, remove them."""
    opened = _opened(arguments)
    with opened.lock():
        _, states = opened.look()
        if in_flight(states):
            raise StagecoachError(f"{opened.name} is in progress: prune it when `launch.py status` shows its end")
        found = superseded(opened, states)
        for unit in found:
            text = f"{unit.job}/{unit.unit}  {size(unit.num_bytes)}  {unit.step.root}"
            console.print(Text(text), soft_wrap=True)
            if arguments.yes:
                remove(unit)
    total = f"{plural(len(found), 'unit')} of earlier settings, {size(sum(unit.num_bytes for unit in found))}"
    if found:
        log(f"{total} removed" if arguments.yes else f"{total} can go: `launch.py prune {opened.name} --yes`")
    else:
        log(f"nothing of {opened.name} can go")
    return 0


def tune(arguments: argparse.Namespace) -> int:
    """Show what a run's stages would keep with other thresholds. Changes nothing."""
    opened = _seen(arguments)
    _have_stages(opened.cluster)  # it needs numpy, which the launcher's own environment lacks
    return _tool(opened, "tune", arguments.set)


def label(arguments: argparse.Namespace) -> int:
    """Serve the page on which people rank a run's candidates, until Ctrl-C."""
    return _tool(_opened(arguments), "label", arguments.set)


def chat(arguments: argparse.Namespace) -> int:
    """Serve a run's models on this machine, with a page to talk to them, until Ctrl-C."""
    opened = _seen(arguments)
    _have_stages(opened.cluster)
    return _tool(with_chat(opened, arguments.section), CHAT, arguments.set)


def report(arguments: argparse.Namespace) -> int:
    """Write the report of a run as it stands now, finished or not."""
    return _tool(_opened(arguments), "report", ())


def _tool(opened: Run, verb: str, overrides: Sequence[str]) -> int:
    for view in run_tool(opened, verb, overrides):
        console.print(view)
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Run the whole journey on the sample web and print where its report is."""
    arguments.recipe, arguments.wait, arguments.yes = "demo", True, False
    return run(arguments)


def doctor(arguments: argparse.Namespace) -> int:
    """Check this machine or cluster and print what to do."""
    cluster = load_cluster(automatic() if arguments.cluster == "auto" else arguments.cluster)
    enter(cluster)
    if arguments.propose:
        print(propose(), end="")
        return 0
    if arguments.json:
        found = list(diagnose(cluster, run_roots(arguments.runs, [cluster])[0]))
        print(json.dumps([asdict(finding) for finding in found], indent=1))
        return int(any(finding.level == "fail" for finding in found))
    return int(print_findings(console, diagnose(cluster, run_roots(arguments.runs, [cluster])[0])))


def runs(arguments: argparse.Namespace) -> int:
    """List all runs in the folders of runs."""
    found = list(run_lines(run_roots(arguments.runs, known_clusters())))
    if arguments.json:
        print(json.dumps([asdict(line) for line in found], indent=1))
    elif found:
        print_runs(console, found)
    else:
        console.print("there is no run yet")
    return 0


def completion(arguments: argparse.Namespace) -> int:
    """Print the script that completes commands in bash and zsh."""
    recipes = sorted(path.stem for path in (ROOT / "jobs" / "recipes").glob("*.yaml"))
    print(completion_script(arguments.parser, arguments.parser.prog, recipes, cluster_names()), end="")
    return 0


def test(arguments: argparse.Namespace) -> int:
    """Run all checks that CI runs; arguments after `--` go to pytest alone and skip the rest."""
    if not (ROOT / "tests").is_dir():
        raise StagecoachError("the checks are in the repository, not in the installed package: run them in a clone")
    module = ["pytest", *arguments.pytest] if arguments.pytest else ["tests"]
    return subprocess.run([sys.executable, "-m", *module], cwd=ROOT, check=False).returncode
