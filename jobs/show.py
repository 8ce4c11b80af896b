"""The launcher's output: the plan as a tree, the state of a run as a table, both also as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from jobs.commands import command
from jobs.paths import StepPaths
from jobs.plan.estimates import critical_path_hours, element_hours, node_gb, packed, shortfalls
from jobs.plan.graph import Job, PlannedUnit
from jobs.plan.recipe import Recipe
from jobs.runs import Run
from jobs.submit.reconcile import DAMAGED, FAILED_ABOVE, STUCK, State, States, UnitState, finished
from jobs.submit.strays import Strays
from stages.shared.contract import Forecast
from stages.shared.files import read_json, read_tail
from stages.shared.log import printable
from stages.shared.numbers import count, hours, plural, size

COLOURS = {
    "done": "green",
    "running": "cyan",
    "queued": "blue",
    "blocked": "yellow",
    "failed": "red",
    "lost": "magenta",
    "cancelled": "yellow",
}
SHOWN_UNITS = 3
"""Units that a line names."""
SHOWN_LINES = 4
"""Last lines of a log that `status` shows of the first unit in trouble."""
LINE_CHARS = 160
TAIL_BYTES = 4096
SHOWN_ARRAYS = 20
"""Arrays that a line names."""
ORDER: tuple[State, ...] = ("done", "running", "queued", "blocked", "failed", "lost", "cancelled", "missing")


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """One line of a plan."""

    job: str
    units: int
    to_do: int
    arrays: int
    elements: int
    """Each starts once, if nothing befalls it."""
    most_units: int
    """Units of the fullest element."""
    nodes: int
    ranks: int
    cpus: int
    gpus: int
    mem_gb: float
    time_min: int
    core_hours: float
    """Estimate for what is still to do."""
    disk_mb: float
    needs_gb: float
    """Estimated peak memory of a node; 0 if unknown."""
    needs_min: float
    """Estimated minutes of an element."""
    needs: tuple[str, ...]
    why: str
    """Why it is reused, or why it must run."""


def planned_jobs(run: Run, states: States, max_array_size: int) -> list[PlannedJob]:
    """Return the plan's lines in order of dependency."""
    lines: list[PlannedJob] = []
    for name, job in run.graph.jobs.items():
        asked, step = job.resources, job.step
        folders = [unit for unit, state in states[name].items() if state.state != "done"]
        to_do = [job.units[folder] for folder in folders]
        elements = packed(job, folders)
        lines.append(
            PlannedJob(
                job=name,
                units=len(job.units),
                to_do=len(to_do),
                arrays=-(-len(elements) // max_array_size),
                elements=len(elements),
                most_units=max(map(len, elements), default=0),
                nodes=asked.nodes(step.ranks),
                ranks=step.ranks,
                cpus=asked.cpus,
                gpus=asked.gpus_per_node,
                mem_gb=asked.mem_gb,
                time_min=asked.time_min,
                core_hours=sum(unit.core_seconds for unit in to_do) / 3600,
                disk_mb=len(to_do) * step.disk_mb,
                needs_gb=round(node_gb(job), 3),
                needs_min=round(element_hours(job) * 60, 2),
                needs=job.upstream,
                why=_damage(states[name]) or _why(run, job, to_do, [line.job for line in lines if line.to_do]),
            )
        )
    return lines


def _damage(states: Mapping[str, UnitState]) -> str:
    """Return the reason of a unit that is to be made again because of what became of its output."""
    return next((state.reason for state in states.values() if state.reason.startswith(DAMAGED)), "")


def _why(run: Run, job: Job, to_do: Sequence[PlannedUnit], running: list[str]) -> str:
    if not to_do:
        return "reused"
    some = ", ".join(unit.key for unit in to_do[:SHOWN_UNITS]) + (", ..." if len(to_do) > SHOWN_UNITS else "")
    if len(to_do) < len(job.units):
        return f"{len(job.units) - len(to_do)} of {count(len(job.units))} units reused; to do: {some}"
    step = run.paths.step(job.name, job.fingerprint)
    upstream = [need for need in job.upstream if need in running]
    if step.done_units():
        return f"runs again after {', '.join(upstream)}" if upstream else "changed: its inputs"
    others = [path for path in step.root.parent.glob("*/step.json") if StepPaths(path.parent).done_units()]
    if not others:
        return "new"
    try:
        before = read_json(max(others, key=lambda path: path.stat().st_mtime))["identity"]
    except (ValueError, LookupError, TypeError):
        return "changed"
    changes = difference(before, job.identity)
    return "changed: " + "; ".join(change.removeprefix("settings.") for change in changes[:3])


def difference(before: Any, now: Any, path: str = "") -> list[str]:
    """Return one line for each value that differs between two nested mappings, as `settings.steps 100 -> 200`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = sorted(before.keys() | now.keys())
        return [line for key in keys for line in difference(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))]
    if before == now:
        return []
    if isinstance(now, (list, tuple, Mapping)):
        return [f"{path} differs"]
    return [f"{path} {before} -> {now}"]


def plan_data(
    run: Run, lines: list[PlannedJob], forecasts: Mapping[str, Forecast], guesses: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a plan as plain data, for `plan --json`."""
    return {
        "run": run.name,
        "folder": str(run.paths.root),
        "cluster": run.cluster.name,
        "jobs": [asdict(line) for line in lines],
        "forecasts": {job: forecast.data for job, forecast in forecasts.items()},
        "guesses": list(guesses),
        "shortfalls": [*shortfalls(run.graph.jobs[line.job] for line in lines if line.to_do)],
    }


def print_plan(
    console: Console,
    run: Run,
    lines: list[PlannedJob],
    forecasts: Mapping[str, Forecast] | None = None,
    guesses: Sequence[str] = (),
) -> None:
    """Print the jobs as a tree with what each asks for, the totals, and the stages' forecasts."""
    console.print(Text.assemble((run.name, "bold"), f"  {run.recipe.about or run.recipe.name}"), soft_wrap=True)
    console.print(Text(f"on {run.cluster.name}, in {run.paths.root}", style="dim"), soft_wrap=True)
    for origin in inherited_lines(run.recipe):
        console.print(Text(origin, style="dim"), soft_wrap=True)
    for guess in guesses:
        console.print(Text(guess, style="yellow"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("job", "units", "array", "each asks for", "cost", "why"):
        table.add_column(column, overflow="fold", no_wrap=column in ("job", "units"))
    for index, line in enumerate(lines):
        table.add_row(*_plan_cells(line, lines[index + 1 :]))
    console.print(table)
    todo = [line for line in lines if line.to_do]
    if not todo:
        console.print("Nothing to do: every job is done and would be reused.")
        return
    work = f"{plural(len(todo), 'job')}: {plural(sum(line.elements for line in todo), 'element')}"
    arrays = plural(sum(line.arrays for line in todo), "array")
    work_hours, disk = hours(sum(line.core_hours for line in todo)), size(1e6 * sum(line.disk_mb for line in todo))
    waves = {line.job: -(-line.elements // run.graph.jobs[line.job].resources.throttle) for line in lines}
    longest = hours(critical_path_hours(run.graph, waves))
    console.print(
        f"{work} in {arrays}; about {work_hours} of core time, {disk} of disk; longest chain about {longest}."
    )
    for shortfall in shortfalls(run.graph.jobs[line.job] for line in todo):
        console.print(Text(shortfall, style="yellow"), soft_wrap=True)
    for job, forecast in (forecasts or {}).items():
        console.print(_forecast_view(job, forecast))


def inherited_lines(recipe: Recipe) -> list[str]:
    """Return a line for each recipe that this one extends: the sections and settings that are inherited from it."""
    said: dict[str, dict[str, list[str]]] = {}
    for path, origin in recipe.inherited.items():
        section, _, setting = path.partition(".")
        said.setdefault(origin, {}).setdefault(section, []).extend(filter(None, [setting]))
    return [
        f"from {origin}: "
        + ", ".join(f"{name} ({', '.join(settings)})" if settings else name for name, settings in sections.items())
        for origin, sections in said.items()
    ]


def _forecast_view(job: str, forecast: Forecast) -> Group:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for label, text in forecast.rows:
        table.add_row(f"  {label}", Text(text))
    return Group(Text.assemble("\n", (job, "cyan"), f": {forecast.headline}"), table)


def _plan_cells(line: PlannedJob, later: list[PlannedJob]) -> tuple[Text | str, ...]:
    """Return a row: steps of one section hang under its name like branches."""
    section, _, step = line.job.partition(".")
    last = not any(other.job.startswith(f"{section}.") for other in later)
    name = Text.assemble((section, "cyan"), (f" {'└' if last else '├'} {step}" if step else ""))
    if not line.to_do:
        return name, str(line.units), "-", "-", "-", Text(printable(line.why), style="green")
    asks = [plural(line.nodes, "node")] if line.nodes > 1 else []
    asks += [plural(line.ranks, "rank")] if line.ranks > 1 else []
    asks += [plural(line.cpus, "core")] + ([f"{line.gpus} GPUs"] if line.gpus else [])
    asks += ([f"{line.mem_gb:g} GB"] if line.mem_gb else []) + [hours(line.time_min / 60)]
    array = f"{line.elements}" if line.arrays == 1 else f"{line.elements} in {line.arrays}"
    array += f", up to {line.most_units} units each" if line.most_units > 1 else ""
    cost = f"{hours(line.core_hours)}, {size(1e6 * line.disk_mb)}"
    cost += f", {size(1e9 * line.needs_gb)} each" if line.needs_gb else ""
    after = f"; after {', '.join(line.needs)}" if line.needs and "after" not in line.why else ""
    return name, str(line.to_do), array, ", ".join(asks), cost, Text(printable(line.why + after), style="dim")


def status_data(run: Run, states: States, beyond: Sequence[Strays] = ()) -> dict[str, Any]:
    """Return a run's state as plain data, for `status --json`."""
    begun = starts(run)
    return {
        "run": run.name,
        "folder": str(run.paths.root),
        "cluster": run.cluster.name,
        "finished": finished(states),
        "strays": [asdict(each) for each in beyond],
        "unreadable": sorted(run.ledger.unreadable),
        "jobs": {
            name: {
                "needs": list(run.graph.jobs[name].upstream),
                "fingerprint": run.graph.jobs[name].fingerprint[:12],
                **begun[name]._asdict(),
                "stale": stale(run, name),
                "counts": dict(Counter(state.state for state in units.values())),
                "units": {
                    run.graph.jobs[name].units[unit].key: asdict(state)
                    for unit, state in units.items()
                    if state.state != "done"
                },
            }
            for name, units in states.items()
        },
    }


class Starts(NamedTuple):
    """Elements of a job, and how often they started."""

    elements: int
    starts: int

    def sharing(self, units: int) -> str:
        """Return the numbers in words, if units share elements."""
        if not 0 < self.elements < units:
            return ""
        return f"{plural(self.elements, 'element')}, {plural(self.starts, 'start')}  "


def starts(run: Run) -> dict[str, Starts]:
    """Return by job how many elements were submitted with its present settings, and how often they started."""
    submissions, found = run.ledger.submissions(), {}
    for name, job in run.graph.jobs.items():
        own = [each for each in submissions if (each.job, each.fingerprint) == (name, job.fingerprint)]
        begun = run.ledger.starts(name) if own else Counter[str]()
        found[name] = Starts(sum(len(each.elements) for each in own), sum(begun[each.key] for each in own))
    return found


def stale(run: Run, name: str) -> int:
    """Return how many done units of a job are not of the plan: their inputs or settings were others."""
    job = run.graph.jobs[name]
    return len(run.paths.step(name, job.fingerprint).marked_units() - job.units.keys())


def status_view(run: Run, states: States, beyond: Sequence[Strays] = ()) -> Group:
    """Return the table of jobs, followed by one line for each thing that is wrong and what to do about it."""
    begun = starts(run)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("job", "units", "state", "detail"):
        table.add_column(column, justify="right" if column == "units" else "left", overflow="fold")
    for name, units in states.items():
        counts = Counter(state.state for state in units.values())
        state = Text("  ").join(
            Text(f"{counts[kind]} {kind}", style=COLOURS.get(kind, "dim")) for kind in ORDER if counts[kind]
        )
        if old := stale(run, name):
            state.append(f"  {old} stale", style="dim")
        shared = begun[name].sharing(len(units))
        table.add_row(name, f"{counts['done']}/{len(units)}", state, Text(printable(shared + _detail(units))))
    unreadable = [(line, "yellow") for line in sorted(run.ledger.unreadable)]
    strays = [(_stray_line(run, each), "yellow") for each in beyond]
    lines = [*unreadable, *verdict_lines(run, states), *strays]
    return Group(table, *(Text(printable(line), style=style) for line, style in lines))


def _stray_line(run: Run, found: Strays) -> str:
    """Return a line about elements in the queue that belong to no unit of the plan, with the command to end them."""
    what = f"{found.job or 'another submission'}: {plural(len(found.slurm_ids), 'element')} in the queue {found.why}"
    arrays = " ".join(found.arrays[:SHOWN_ARRAYS]) + (" ..." if len(found.arrays) > SHOWN_ARRAYS else "")
    return f"{what} ({arrays}). `{command('cancel', run.address, '--strays')}` ends what the plan does not have."


def _detail(units: Mapping[str, UnitState]) -> str:
    running = [state for state in units.values() if state.state == "running"]
    if running:
        best = max(state.progress for state in running)
        attempts = max(state.attempts for state in running)
        again = f", attempt {attempts}" if attempts > 1 else ""
        return f"{running[0].reason}" + (f", progress {best}" if best >= 0 else "") + again
    waiting = next((state for state in units.values() if state.state in ("queued", "blocked")), None)
    return f"{waiting.slurm_id} {waiting.reason}".strip() if waiting else ""


def verdict_lines(run: Run, states: States) -> list[tuple[str, str]]:
    """Return the lines that explain a run: each failure in one line, then what waits, then the remedy."""
    lines: list[tuple[str, str]] = []
    trouble: tuple[str, UnitState] | None = None
    for name, units in states.items():
        keys = run.graph.jobs[name].units
        bad = [(keys[unit].key, state) for unit, state in units.items() if state.state in STUCK]
        for kind in ("failed", "lost", "cancelled"):
            if found := {key: state for key, state in bad if state.state == kind}:
                lines.append((_trouble(name, kind, found), COLOURS[kind]))
                key, state = next(iter(found.items()))
                trouble = trouble or (f"{name}/{key}", state)
        if found := {key: state for key, state in bad if state.state == "blocked" and not _is_behind(state)}:
            lines.append((_trouble(name, "blocked", found), COLOURS["blocked"]))
    if trouble:
        behind = [name for name, units in states.items() if any(state.state == "blocked" for state in units.values())]
        if behind:
            lines.append((f"{', '.join(behind)} cannot start before that is mended", "yellow"))
        lines += [(line, "bold") for line in _remedies(run, states, trouble)]
        lines += [(f"  | {line}", "dim") for line in last_words(run, *trouble)]
    elif finished(states):
        lines.append((f"{run.name} is finished.", "bold green"))
    return lines


def last_words(run: Run, unit: str, state: UnitState) -> list[str]:
    """Return the last lines of the log of a unit's element, without blank ones; none if it has no log."""
    path = run.paths.log(unit.partition("/")[0], state.key, state.element)
    lines = [line.rstrip() for line in read_tail(path, TAIL_BYTES).splitlines()]
    return [line[:LINE_CHARS] for line in lines if line][-SHOWN_LINES:]


def _is_behind(state: UnitState) -> bool:
    """Return whether a blocked unit only waits for others that are named themselves."""
    return state.reason.startswith(("waits for ", FAILED_ABOVE))


def _remedies(run: Run, states: States, trouble: tuple[str, UnitState]) -> Iterator[str]:
    """Yield what to do about a run in trouble: commands that work as they are printed."""
    name, state = trouble
    job = name.partition("/")[0]
    read = ""
    if run.paths.log(job, state.key, state.element).is_file():
        read = f"Read `{command('logs', run.address, name)}`. "
    bad = [each for units in states.values() for each in units.values() if each.state in STUCK]
    if any(each.never for each in bad):
        yield f"{read}Change the setting or the input, then `{run.command_with()}`: heal would meet the same."
        read = ""
    if any(not each.never for each in bad):
        mend = "" if all(each.state == "cancelled" for each in bad) else "Mend the cause, then "
        yield f"{read}{mend or 'Go on with '}`{command('heal', run.address)}`."


def _trouble(name: str, kind: str, found: Mapping[str, UnitState]) -> str:
    key, first = next(iter(found.items()))
    others = f" and {plural(len(found) - 1, 'other')}" if len(found) > 1 else ""
    attempts = f" after {first.attempts} attempts" if first.attempts > 1 else ""
    return f"{name}/{key}{others} {kind}{attempts}: {first.reason}"
