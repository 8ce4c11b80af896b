"""The step `alarm`: puts the results of all checkpoints in the order of training, and names tasks that became worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from stages.evaluate.alarm import Items, Rule, align, flipped, nights
from stages.evaluate.cells import GENERATE, Cell
from stages.evaluate.config import EvaluateConfig, names_of
from stages.formats.alarms import MEAN, AlarmReport, write_alarm
from stages.formats.kinds import KINDS
from stages.formats.results import Results, main_metric_order, read_results
from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.settings import read_settings
from stages.shared.contract import InputFile
from stages.shared.task import Task

_SHOWN = 50
"""Flipped samples of a task that are named."""


def alarm(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the alarm report of all results into task.out; return the newest night's state and tasks."""
    assert task.config.alarm is not None
    names = in_order(task.inputs["checkpoints"])
    items = _items(task, names)
    rule = Rule(tolerance=task.config.alarm.tolerance, level=task.config.alarm.level)
    found = nights(names, {cell: align(names, each) for cell, each in items.items()}, rule)
    last = found[-1] if found else None
    lost: dict[str, tuple[str, ...]] = {}
    if last is not None and last.drops:
        tasks = [drop.task for drop in last.drops if drop.task != MEAN]
        lost = {cell: tuple(flipped(items[cell], last.reference, names[-1])[:_SHOWN]) for cell in tasks}
    write_alarm(task.out / KINDS.alarm.file, AlarmReport(nights=tuple(found), flipped=lost))
    return {"state": last.state if last else "early", "tasks": [drop.task for drop in last.drops] if last else []}


def in_order(checkpoints: Sequence[InputFile]) -> list[str]:
    """Return the checkpoints' names by training step, one of each step, without untrained ones.

    Folders that say no step, as those of Hugging Face, keep their order.
    """
    steps = [read_settings(each.path).step if (each.path / COMPLETE).is_file() else None for each in checkpoints]
    named = [*zip(steps, names_of(checkpoints), strict=True)]
    if any(step is None for step in steps):
        return [name for _, name in named]
    by_step: dict[int, str] = {}
    for step, name in named:
        if step:
            by_step.setdefault(step, name)
    return [by_step[step] for step in sorted(by_step)]


def _items(task: Task[EvaluateConfig], names: Sequence[str]) -> dict[str, dict[str, Items]]:
    """Return the questions' scores by cell and checkpoint, of the cells whose scores are means from 0 to 1."""
    keys = task.config.asked(task.inputs["checkpoints"])
    found: dict[str, dict[str, Items]] = {}
    for (name, cell), folder in zip(keys, task.steps[""], strict=True):
        if cell.task != GENERATE and name in names and not cell.blind:  # a control is to stay at chance
            scores = questions(read_results(folder / KINDS.results.file), cell)
            if scores:
                found.setdefault(cell.name, {})[name] = scores
    return {cell: each for cell, each in found.items() if len(each) == len(names)}


def questions(results: Results, cell: Cell) -> Mapping[str, float]:
    """Return each question's score by the cell's main metric; empty for a cell without such scores."""
    metrics = {score.metric for score in results.scores if score.task == cell.task and score.higher_is_better}
    ranked = sorted(metrics, key=partial(main_metric_order, cell.task, cell.variant))
    found = (results.questions(cell.task, metric) for metric in ranked)
    return next((each for each in found if each and all(0 <= value <= 1 for value in each.values())), {})
