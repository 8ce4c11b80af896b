"""The part about conducted requests: how plans and answers compare with the right ones, and some of them as graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.formats.conducted.scores import MEASURES, PLAN_KINDS, Answered, Overlap, PlanScores, read_plan_scores
from stages.formats.kinds import KINDS
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.words import percent

MAX_SHOWN = 8
"""Requests that are shown."""
WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 34, 40, 12
"""Size of a task in a graph, and the space between tasks."""
CONTROLS = {"plans": "the controller's plans", "another": "plan of another request", "random": "random plan"}


@dataclass(frozen=True)
class Box:
    """A task in a graph."""

    id: int
    task: str
    state: str
    x: int
    y: int


@dataclass(frozen=True)
class Graph:
    """A plan: a task stands right of all that it needs."""

    boxes: tuple[Box, ...]
    lines: tuple[tuple[int, int, int, int], ...]
    """From the right side of a task to the left side of one that needs it."""
    width: int
    height: int


def show(material: Material) -> View | Missing:
    """Return the scores of one section."""
    files = material.of(KINDS.plan_scores)
    if not files:
        return not_run(f"section {material.section} has scored no plan")
    return view([read_plan_scores(file.path) for file in files])


def view(units: Sequence[PlanScores]) -> View:
    """Return the tables over all units, and requests to read. Pure."""
    rows = [
        (kind, CONTROLS[kind], [(measure, _sum(units, kind, measure)) for measure in MEASURES]) for kind in PLAN_KINDS
    ]
    languages = sorted({language for unit in units for language in unit.answers})
    answers = [(language, _answered(units, language)) for language in languages]
    f1 = _sum(units, "plans", "nodes").f1
    requests = sum(unit.requests for unit in units)
    card = Card(id="plans-f1", label="F1 of plans' tasks", text=percent(f1, 1), value=f1, note=f"{requests} requests")
    samples = [sample for unit in units for sample in unit.samples][:MAX_SHOWN]
    values = {
        "requests": requests,
        "unplanned": sum(unit.unplanned for unit in units),
        "measures": MEASURES,
        "rows": rows,
        "answers": answers,
        "states": _counts(unit.states for unit in units),
        "reasons": _counts(unit.reasons for unit in units),
        "shown": [(sample, graph_of(sample["tasks"])) for sample in samples],
        "box": (WIDTH, HEIGHT),
    }
    return View(values=values, cards=(card,))


def _sum(units: Sequence[PlanScores], kind: str, measure: str) -> Overlap:
    found = Overlap()
    for unit in units:
        found = found.plus(unit.kinds[kind][measure])
    return found


def _answered(units: Sequence[PlanScores], language: str) -> Answered:
    own = [unit.answers[language] for unit in units if language in unit.answers]
    return Answered(
        right=sum(each.right for each in own), of=sum(each.of for each in own), by_chance=sum(e.by_chance for e in own)
    )


def _counts(counts: Any) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter()).most_common())


def graph_of(tasks: Sequence[Mapping[str, Any]]) -> Graph:
    """Return the graph of a plan, whose tasks need earlier ones alone."""
    boxes: dict[int, Box] = {}
    columns: dict[int, int] = {}
    filled: Counter[int] = Counter()
    lines = []
    for task in tasks:
        column = 1 + max((columns[need] for need in task["dep"] if need in columns), default=-1)
        columns[task["id"]] = column
        x, y = column * (WIDTH + GAP_X), filled[column] * (HEIGHT + GAP_Y)
        filled[column] += 1
        boxes[task["id"]] = Box(task["id"], task["task"], task["state"], x, y)
        for need in task["dep"]:
            if need in boxes:
                start = boxes[need]
                lines.append((start.x + WIDTH, start.y + HEIGHT // 2, x, y + HEIGHT // 2))
    wide = 1 + max(columns.values(), default=-1)
    high = max(filled.values(), default=0)
    return Graph(
        tuple(boxes.values()),
        tuple(lines),
        max(0, wide * (WIDTH + GAP_X) - GAP_X),
        max(0, high * (HEIGHT + GAP_Y) - GAP_Y),
    )


PART = Part(title="Plans", kinds=(KINDS.plan_scores,), show=show, card="F1 of plans' tasks")
