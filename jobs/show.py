"""What the user sees: the plan as a tree, the state of a run as a table, both also as plain data."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from jobs.paths import StepPaths
from jobs.plan.estimates import critical_path_hours, element_hours, node_gb, shortfalls
from jobs.plan.graph import Job
from jobs.plan.recipe import Recipe
from jobs.runs import Run
from jobs.submit.reconcile import ShardState, State, States
from stages.shared.contract import Forecast
from stages.shared.files import read_json

COLOURS = {
    "done": "green",
    "running": "cyan",
    "queued": "blue",
    "blocked": "yellow",
    "failed": "red",
    "lost": "magenta",
    "cancelled": "yellow",
}
ORDER: tuple[State, ...] = ("done", "running", "queued", "blocked", "failed", "lost", "cancelled", "missing")


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """One line of a plan."""

    job: str
    shards: int
    to_do: int
    arrays: int
    elements: int
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


def planned_jobs(journey: Run, states: States, max_array_size: int) -> list[PlannedJob]:
    """Return the plan's lines in order of dependency."""
    lines: list[PlannedJob] = []
    for name, job in journey.graph.jobs.items():
        asked, step = job.resources, job.step
        to_do = sum(state.state != "done" for state in states[name].values())
        elements = -(-to_do // asked.units_per_element)
        lines.append(
            PlannedJob(
                job=name,
                shards=step.shards,
                to_do=to_do,
                arrays=-(-elements // max_array_size),
                elements=elements,
                nodes=asked.nodes(step.ranks),
                ranks=step.ranks,
                cpus=asked.cpus,
                gpus=asked.gpus_per_node,
                mem_gb=asked.mem_gb,
                time_min=asked.time_min,
                core_hours=to_do * step.core_seconds / 3600,
                disk_mb=to_do * step.disk_mb,
                needs_gb=round(node_gb(job), 3),
                needs_min=round(element_hours(job) * 60, 2),
                needs=job.needs,
                why=_why(journey, job, to_do, [line.job for line in lines if line.to_do]),
            )
        )
    return lines


def _why(journey: Run, job: Job, to_do: int, running: list[str]) -> str:
    if to_do == 0:
        return "reused"
    if to_do < job.step.shards:
        return f"{job.step.shards - to_do} of {job.step.shards} shards reused; the rest is missing"
    folder = journey.paths.step(job.name, job.fingerprint).root
    others = [
        path
        for path in folder.parent.glob("*/job.json")
        if path.parent != folder and StepPaths(path.parent).done_shards()
    ]
    if not others:
        return "new"
    upstream = [need for need in job.needs if need in running]
    before = read_json(max(others, key=lambda path: path.stat().st_mtime))["identity"]
    changes = difference(before, job.identity)
    own = [change for change in changes if not change.startswith(("inputs", "after"))]
    if own:
        return "changed: " + "; ".join(own[:3])
    return (
        f"runs again after {', '.join(upstream)}"
        if upstream
        else "changed: " + "; ".join(changes[:1] or ["its inputs"])
    )


def difference(before: Any, now: Any, path: str = "") -> list[str]:
    """Return one line for each value that differs between two nested mappings, as `config.steps 100 -> 200`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = sorted(before.keys() | now.keys())
        return [line for key in keys for line in difference(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))]
    if before == now:
        return []
    if isinstance(now, (list, tuple, Mapping)):
        return [f"{path} differs"]
    return [f"{path} {before} -> {now}"]


def plan_data(
    journey: Run, lines: list[PlannedJob], forecasts: Mapping[str, Forecast], guesses: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a plan as plain data, for `plan --json`."""
    return {
        "run": journey.name,
        "folder": str(journey.paths.root),
        "cluster": journey.cluster.name,
        "jobs": [asdict(line) for line in lines],
        "forecasts": {job: forecast.data for job, forecast in forecasts.items()},
        "guesses": list(guesses),
    }


def print_plan(
    console: Console,
    journey: Run,
    lines: list[PlannedJob],
    forecasts: Mapping[str, Forecast] | None = None,
    guesses: Sequence[str] = (),
) -> None:
    """Print the jobs as a tree with the resources of each, the totals, and the stages' forecasts of their own jobs."""
    console.print(
        Text.assemble((journey.name, "bold"), f"  {journey.recipe.about or journey.recipe.name}"), soft_wrap=True
    )
    console.print(Text(f"on {journey.cluster.name}, in {journey.paths.root}", style="dim"), soft_wrap=True)
    for origin in inherited_lines(journey.recipe):
        console.print(Text(origin, style="dim"), soft_wrap=True)
    for guess in guesses:
        console.print(Text(guess, style="yellow"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("job", "shards", "array", "each asks for", "cost", "why"):
        table.add_column(column, overflow="fold", no_wrap=column in ("job", "shards"))
    for index, line in enumerate(lines):
        table.add_row(*_plan_cells(line, lines[index + 1 :]))
    console.print(table)
    todo = [line for line in lines if line.to_do]
    if not todo:
        console.print("Nothing to do: every job is done and would be reused.")
        return
    work = f"{_count(len(todo), 'job')}: {_count(sum(line.elements for line in todo), 'element')}"
    arrays = _count(sum(line.arrays for line in todo), "array")
    hours, disk = _hours(sum(line.core_hours for line in todo)), _disk(sum(line.disk_mb for line in todo))
    waves = {line.job: -(-line.elements // journey.graph.jobs[line.job].resources.throttle) for line in lines}
    longest = _hours(critical_path_hours(journey.graph, waves))
    console.print(f"{work} in {arrays}; about {hours} of core time, {disk} of disk; longest chain about {longest}.")
    for shortfall in shortfalls(journey.graph.jobs[line.job] for line in todo):
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
        return name, str(line.shards), "-", "-", "-", Text(line.why, style="green")
    asks = [_count(line.nodes, "node")] if line.nodes > 1 else []
    asks += [_count(line.ranks, "rank")] if line.ranks > 1 else []
    asks += [_count(line.cpus, "core")] + ([f"{line.gpus} GPUs"] if line.gpus else [])
    asks += ([f"{line.mem_gb:g} GB"] if line.mem_gb else []) + [_hours(line.time_min / 60)]
    array = f"{line.elements}" if line.arrays == 1 else f"{line.elements} in {line.arrays}"
    cost = f"{_hours(line.core_hours)}, {_disk(line.disk_mb)}"
    cost += f", {_disk(line.needs_gb * 1e3)} each" if line.needs_gb else ""
    after = f"; after {', '.join(line.needs)}" if line.needs and "after" not in line.why else ""
    return name, str(line.to_do), array, ", ".join(asks), cost, Text(line.why + after, style="dim")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _hours(hours: float) -> str:
    for unit, factor in (("h", 1.0), ("min", 60.0)):
        if hours * factor >= 1:
            return f"{hours * factor:,.{0 if hours >= 1000 else 1}f}".removesuffix(".0") + f" {unit}"
    return f"{hours * 3600:.0f} s"


def _disk(megabytes: float) -> str:
    for unit, factor in (("TB", 1e6), ("GB", 1e3)):
        if megabytes >= factor:
            return f"{megabytes / factor:,.1f} {unit}"
    return f"{megabytes:.{0 if megabytes >= 100 else 1}f} MB"


def status_data(journey: Run, states: States) -> dict[str, Any]:
    """Return a run's state as plain data, for `status --json`."""
    return {
        "run": journey.name,
        "folder": str(journey.paths.root),
        "cluster": journey.cluster.name,
        "finished": all(state.state == "done" for shards in states.values() for state in shards.values()),
        "jobs": {
            name: {
                "needs": list(journey.graph.jobs[name].needs),
                "fingerprint": journey.graph.jobs[name].fingerprint[:12],
                "counts": dict(Counter(state.state for state in shards.values())),
                "shards": {str(shard): asdict(state) for shard, state in shards.items() if state.state != "done"},
            }
            for name, shards in states.items()
        },
    }


def status_view(journey: Run, states: States) -> Group:
    """Return the table of jobs, followed by one line for each thing that is wrong and what to do about it."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("job", "shards", "state", "detail"):
        table.add_column(column, justify="right" if column == "shards" else "left", overflow="fold")
    for name, shards in states.items():
        counts = Counter(state.state for state in shards.values())
        state = Text("  ").join(
            Text(f"{counts[kind]} {kind}", style=COLOURS.get(kind, "dim")) for kind in ORDER if counts[kind]
        )
        table.add_row(name, f"{counts['done']}/{len(shards)}", state, Text(_detail(shards)))
    return Group(table, *(Text(line, style=style) for line, style in verdict_lines(journey, states)))


def _detail(shards: Mapping[int, ShardState]) -> str:
    running = [state for state in shards.values() if state.state == "running"]
    if running:
        best = max(state.progress for state in running)
        attempts = max(state.attempts for state in running)
        again = f", attempt {attempts}" if attempts > 1 else ""
        return f"{running[0].reason}" + (f", progress {best}" if best >= 0 else "") + again
    waiting = next((state for state in shards.values() if state.state in ("queued", "blocked")), None)
    return f"{waiting.slurm_id} {waiting.reason}".strip() if waiting else ""


def verdict_lines(journey: Run, states: States) -> list[tuple[str, str]]:
    """Return the lines that explain a run: each failure in one line, then what waits, then the remedy."""
    lines: list[tuple[str, str]] = []
    trouble = ""
    for name, shards in states.items():
        for kind in ("failed", "lost", "cancelled"):
            found = {shard: state for shard, state in shards.items() if state.state == kind}
            if found:
                lines.append((_trouble(name, kind, found), COLOURS[kind]))
                trouble = trouble or f"{name}/{next(iter(found))}"
    if lines:
        behind = [name for name, shards in states.items() if any(state.state == "blocked" for state in shards.values())]
        if behind:
            lines.append((f"{', '.join(behind)} cannot start before that is mended", "yellow"))
        run = shlex.quote(journey.name)
        lines.append((f"Read `launch.py logs {run} {trouble}`, mend the cause, then `launch.py heal {run}`.", "bold"))
    elif all(state.state == "done" for shards in states.values() for state in shards.values()):
        lines.append((f"{journey.name} is finished.", "bold green"))
    return lines


def _trouble(name: str, kind: str, found: Mapping[int, ShardState]) -> str:
    shards = ",".join(map(str, list(found)[:8])) + (",..." if len(found) > 8 else "")
    first = next(iter(found.values()))
    attempts = f" after {first.attempts} attempts" if first.attempts > 1 else ""
    return f"{name}/{shards} {kind}{attempts}: {first.reason}"
