"""Runs a stage in this process through its contract, without the launcher: most stage tests start from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.shared.contract import ALL, PARTS, SAME, InputFile, StageConfig, Step, parts_of, whole_of
from stages.shared.task import Task

Files = tuple[InputFile, ...]


def step_folder(folder: Path, step: str) -> Path:
    """Return where `run_stage` keeps the folders of a step's units; the unnamed step is kept in `step`."""
    return folder / "steps" / (step or "step")


def unit_folder(folder: Path, step: str, place: int) -> Path:
    """Return where `run_stage` keeps the files of a unit."""
    return step_folder(folder, step) / f"{place:05d}"


def published_folder(folder: Path, step: str, place: int) -> Path:
    """Return where `run_stage` keeps what a unit publishes while it runs."""
    return folder / "published" / (step or "step") / f"{place:05d}"


def planned_steps(config: StageConfig, inputs: Mapping[str, Files]) -> tuple[Step, ...]:
    """Return the steps of a stage, those of parts with the units that the launcher makes of declared numbers."""
    steps = config.plan(inputs).steps
    parts = {
        after.step: tuple(
            part for unit in step.units if (unit.parts or 1) > 1 for part in parts_of(unit, unit.parts or 1)
        )
        for step in steps
        for after in step.after
        if after.units == PARTS
    }
    return tuple(replace(step, units=parts.get(step.name, step.units)) for step in steps)


def make_task(config: StageConfig, step: Step, place: int, inputs: Mapping[str, Files], folder: Path) -> Task[Any]:
    """Return the task of one unit, with an empty `out` and a `work` that survives a second call."""
    unit, name = step.units[place], f"{step.name or 'step'}/{place:05d}"
    out, work = folder / "attempts" / name, folder / "work" / name
    out.mkdir(parents=True)
    work.mkdir(parents=True, exist_ok=True)
    published = published_folder(folder, step.name, place)
    parted = [after.step for after in step.after if after.units == PARTS]

    def publish(path: Path, name: str) -> None:
        published.mkdir(parents=True, exist_ok=True)
        path.rename(published / name)

    return Task(
        config=config,
        step=step.name,
        unit=unit.key,
        place=place,
        inputs={field: tuple(unit.inputs.get(field, inputs.get(field, ()))) for field in step.reads},
        fellows={after.step: unit_folder(folder, after.step, place) for after in step.after if after.units == SAME},
        steps={
            **{after.step: all_units(folder, after.step) for after in step.after if after.units == ALL},
            **{each: folders_of_parts(config, each, unit.key, inputs, folder) for each in parted},
        },
        out=out,
        work=work,
        shared=folder / "shared" / (step.name or "step"),
        run_dir=folder,
        publish=publish,
    )


def all_units(folder: Path, step: str) -> tuple[Path, ...]:
    """Return the folders of all units of a step that have run, in order."""
    return tuple(sorted(step_folder(folder, step).iterdir()))


def folders_of_parts(
    config: StageConfig, step: str, key: str, inputs: Mapping[str, Files], folder: Path
) -> tuple[Path, ...]:
    """Return the folders of the units of an earlier step that are parts of the unit of this key."""
    (earlier,) = (each for each in planned_steps(config, inputs) if each.name == step)
    places = (place for place, unit in enumerate(earlier.units) if whole_of(unit.key) == key)
    return tuple(unit_folder(folder, step, place) for place in places)


def load_run(step: Step) -> Callable[[Task[Any]], dict[str, Any]]:
    """Return the function that a step names."""
    module, _, function = step.run.partition(":")
    run: Callable[[Task[Any]], dict[str, Any]] = getattr(import_module(module), function)
    return run


def run_unit(config: StageConfig, step: Step, place: int, inputs: Mapping[str, Files], folder: Path) -> dict[str, Any]:
    """Run one unit of one step and move its output to its final place; return the step's summary."""
    task = make_task(config, step, place, inputs, folder)
    summary = load_run(step)(task)
    final = unit_folder(folder, step.name, place)
    final.parent.mkdir(parents=True, exist_ok=True)
    task.out.rename(final)
    return summary


def run_stage(config: StageConfig, inputs: Mapping[str, Files], folder: Path) -> dict[str, Files]:
    """Run every unit of every step in order (steps of one rank only); return the outputs by kind, in plan order."""
    plan, steps = config.plan(inputs), planned_steps(config, inputs)
    for step in steps:
        if step.ranks != 1:
            raise ValueError(f"step {step.name!r} wants {step.ranks} ranks: the harness has one process")
        for place in range(len(step.units)):
            run_unit(config, step, place, inputs, folder)
    places = {(step.name, unit.key): place for step in steps for place, unit in enumerate(step.units)}
    outputs: dict[str, list[InputFile]] = {}
    for output in plan.outputs:
        home = published_folder if output.during else unit_folder
        path = home(folder, output.step, places[output.step, output.unit]) / output.file
        if not path.exists():
            raise FileNotFoundError(f"{output.kind.name}: the stage promised {path}")
        outputs.setdefault(output.kind.name, []).append(InputFile(path, output.source, unit=output.unit))
    return {kind: tuple(files) for kind, files in outputs.items()}
