"""Scores of plans against right ones, as TaskBench counts them: sets of names a request, micro-averaged F1.

arXiv:2311.18760, and the authors' taskbench/evaluate.py: a name that stands twice in a plan counts once, and
a link is the pair of its tasks' names. Their code reads links off references in arguments, as this does.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from stages.conductor.plans import Plan, PlannedTask, references
from stages.formats.conducted.scores import MEASURES, Measure, Overlap

Items = dict[Measure, frozenset[tuple[str, ...]]]


def items_of(plan: Plan) -> Items:
    """Return what a plan is compared by, of each measure."""
    names = {task.id: task.task for task in plan.tasks}
    arguments = [(task.task, name, _plain(text, names)) for task in plan.tasks for name, text in task.args.items()]
    return {
        "nodes": frozenset((name,) for name in names.values()),
        "edges": frozenset((names[need], task.task) for task in plan.tasks for need in task.dep if need in names),
        "arguments": frozenset((task, name) for task, name, _ in arguments),
        "values": frozenset(arguments),
    }


def _plain(text: str, names: dict[int, str]) -> str:
    """Return a value as it is compared: without case and outer spaces, references by the names of their tasks."""
    for number in references(text):
        for form in (f"<GENERATED>-{number}", f"<GENERATED-{number}>"):
            text = text.replace(form, f"<{names.get(number, 'none')}>")
    return " ".join(text.split()).casefold()


def overlaps(pairs: Iterable[tuple[Plan, Plan]]) -> dict[str, Overlap]:
    """Return the counts of each measure over pairs of a plan and the right one."""
    found: dict[str, Overlap] = {measure: Overlap() for measure in MEASURES}
    for plan, wanted in pairs:
        ours, theirs = items_of(plan), items_of(wanted)
        for measure in MEASURES:
            one, other = ours[measure], theirs[measure]
            counted = Overlap(right=len(one & other), planned=len(one), wanted=len(other))
            found[measure] = found[measure].plus(counted)
    return found


def random_plans(wanted: Sequence[Plan], seed: int) -> list[Plan]:
    """Return for each right plan a chain of as many tasks, drawn from the tasks of all right plans."""
    tasks = [task for plan in wanted for task in plan.tasks]
    found = []
    for place, plan in enumerate(wanted):
        draw = random.Random(f"{seed}/{place}")
        drawn = [tasks[int(draw.random() * len(tasks))] for _ in plan.tasks]
        found.append(Plan(tuple(_linked(number, each) for number, each in enumerate(drawn))))
    return found


def _linked(number: int, task: PlannedTask) -> PlannedTask:
    return PlannedTask(id=number, task=task.task, dep=(number - 1,) if number else (), args=task.args)
