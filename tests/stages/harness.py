"""Runs a stage in this process through its contract, without the launcher: what most stage tests start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.shared.contract import InputFile, StageConfig, Step, Task, shard_dir, shard_name

Files = tuple[InputFile, ...]


def step_folder(folder: Path, step: str) -> Path:
    """Return where `run_stage` keeps the folder of a step; the unnamed step lives in `step`."""
    return folder / "steps" / (step or "step")


def make_task(config: StageConfig, step: Step, shard: int, inputs: Mapping[str, Files], folder: Path) -> Task:
    """Return the task of one shard, with an empty `out` and a `work` that survives a second call."""
    out = folder / "attempts" / (step.name or "step") / shard_name(shard)
    work = folder / "work" / (step.name or "step") / shard_name(shard)
    out.mkdir(parents=True)
    work.mkdir(parents=True, exist_ok=True)
    return Task(
        config=config,
        step=step.name,
        shard=shard,
        num_shards=step.shards,
        inputs={name: tuple(inputs.get(name, ())) for name in step.reads},
        steps={name: step_folder(folder, name) for name in step.after},
        out=out,
        work=work,
        run_dir=folder,
    )


def load_run(step: Step) -> Callable[[Task], dict[str, Any]]:
    """Return the function that a step names."""
    module, _, function = step.run.partition(":")
    run: Callable[[Task], dict[str, Any]] = getattr(import_module(module), function)
    return run


def run_shard(config: StageConfig, step: Step, shard: int, inputs: Mapping[str, Files], folder: Path) -> dict[str, Any]:
    """Run one shard of one step and move its output to its final place; return the step's summary."""
    task = make_task(config, step, shard, inputs, folder)
    summary = load_run(step)(task)
    final = shard_dir(step_folder(folder, step.name), shard)
    final.parent.mkdir(parents=True, exist_ok=True)
    task.out.rename(final)
    return summary


def run_stage(config: StageConfig, inputs: Mapping[str, Files], folder: Path) -> dict[str, Files]:
    """Run every shard of every step in order (steps of one rank only); return the outputs by kind, in plan order."""
    plan = config.plan(inputs)
    for step in plan.steps:
        if step.ranks != 1:
            raise ValueError(f"step {step.name!r} wants {step.ranks} ranks: the harness has one process")
        for shard in range(step.shards):
            run_shard(config, step, shard, inputs, folder)
    outputs: dict[str, list[InputFile]] = {}
    for output in plan.outputs:
        path = shard_dir(step_folder(folder, output.step), output.shard) / output.name
        if not path.exists():
            raise FileNotFoundError(f"{output.kind}: the stage promised {path}")
        outputs.setdefault(output.kind, []).append(InputFile(path, output.source))
    return {kind: tuple(files) for kind, files in outputs.items()}
