"""Tools of stages: verbs such as `tune` and `report` that a stage brings, called for each of a run's sections."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jobs.plan.graph import Job
from jobs.plan.recipe import apply_override, make_recipe
from jobs.runs import Run
from stages.shared.contract import StageConfig
from stages.shared.errors import ConfigError
from stages.shared.log import printable
from stages.shared.tool import ToolCall, ToolTable


def run_tool(run: Run, verb: str, overrides: Sequence[str] = ()) -> Iterator[RenderableType]:
    """Yield the tables of a verb's tool for each section whose stage has it.

    Raises ConfigError if no section of the run has the tool.
    """
    values = copy.deepcopy(dict(run.recipe.values))
    for override in overrides:
        apply_override(values, override)
    changed = make_recipe(values).sections
    sections = dict.fromkeys(job.section for job in run.graph.jobs.values() if verb in job.config.tools)
    if not sections:
        having = ", ".join(name for name, config in run.recipe.sections.items() if verb in config.tools)
        raise ConfigError("run", run.name, f"a run with a section that has `{verb}`{having and f', such as {having}'}")
    command = run.command_with(overrides)
    for override in overrides:
        _require_threshold(override, sections, changed, command)
    for section in sections:
        jobs = {job.step.name: job for job in run.graph.jobs.values() if job.section == section}
        yield from _called(run, verb, jobs, changed[section], command)


def _require_threshold(
    override: str, sections: Collection[str], changed: Mapping[str, StageConfig], command: str
) -> None:
    """Raise ConfigError for an override that a tool cannot judge: of another section, or of the files that are read."""
    section, _, setting = override.partition("=")[0].partition(".")
    if section not in sections:
        raise ConfigError("--set", override, f"a setting of {' or '.join(sections)}: `{command}` for another one")
    if setting.partition(".")[0] in changed[section].input_fields():
        raise ConfigError("--set", override, f"a threshold, and no input: `{command}` reads other files")


def _called(
    run: Run, verb: str, jobs: Mapping[str, Job], changed: StageConfig, command: str
) -> Iterator[RenderableType]:
    """Yield the tool's tables as they come."""
    first = next(iter(jobs.values()))
    module, _, function = first.config.tools[verb].partition(":")
    call = ToolCall(
        run_dir=run.paths.root,
        section=first.section,
        config=first.config,
        changed=changed,
        changes=tuple(_differences(first.config.model_dump(mode="json"), changed.model_dump(mode="json"))),
        inputs={field: files for job in jobs.values() for field, files in job.inputs.items()},
        done={step: tuple(_finished(run, job)) for step, job in jobs.items()},
        num_units={step: len(job.units) for step, job in jobs.items()},
        command=command,
        out=run.paths.report,
    )
    try:
        yield from map(_view, getattr(importlib.import_module(module), function)(call))
    except ConfigError as error:
        raise error.within(first.section) from None


def _finished(run: Run, job: Job) -> Iterator[Any]:
    step = run.paths.step(job.name, job.fingerprint)
    done = step.done_units()
    return (step.unit(unit) for unit in job.units if unit in done)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in now.items():
        was = before.get(name)
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            yield from _differences(was, value, f"{above}{name}.")
        elif value != was:
            yield f"{above}{name}"


def _view(found: ToolTable) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for place, column in enumerate(found.columns):
        table.add_column(column, justify="left" if place < found.left else "right")
    for row in found.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    lines: list[RenderableType] = [Text(found.title, style="bold")] if found.title else []
    return Group(*lines, *([table] if found.rows else []), *map(Text, found.notes))
