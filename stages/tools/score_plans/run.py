"""The step of `tools.score_plans`: plans and answers of a file of records, beside controls."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from stages.conductor.plans import Plan, parse_plan
from stages.conductor.scoring import overlaps, random_plans
from stages.formats.conducted.records import Conducted, read_conducted
from stages.formats.conducted.requests import ToolRequest, read_requests
from stages.formats.conducted.scores import Answered, PlanScores, write_plan_scores
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.tools.score_plans.config import ScorePlansConfig

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
SAMPLES, SHOWN_CHARS = 8, 500
Pair = tuple[Conducted, ToolRequest]


def score(task: Task[ScorePlansConfig]) -> dict[str, Any]:
    """Write the scores of a file of records. Raises DataError without a record whose right plan is known."""
    (file,) = task.inputs["conducted"]
    requests = {each.id: each for given in task.inputs["requests"] for each in read_requests(given.path)}
    records = read_conducted(file.path)
    unknown = [record.id for record in records if record.id not in requests]
    pairs = [(record, requests[record.id]) for record in records if record.id in requests]
    planned = [(record, request) for record, request in pairs if request.plan is not None]
    if unknown or not planned:
        problem = f"no request has the id {unknown[0]!r}" if unknown else "no request has a right plan"
        raise DataError(file.path, problem, "Give the requests that were conducted, with their plans")
    plans = [_plan(record.plan) for record, _ in planned]
    wanted = [_plan(request.plan or ()) for _, request in planned]
    others = [*plans[1:], *plans[:1]]
    kinds = {"plans": plans, "another": others, "random": random_plans(wanted, task.config.seed)}
    tasks = [each for record in records for each in record.tasks]
    scores = PlanScores(
        source=task.unit,
        requests=len(planned),
        unplanned=sum(bool(right.tasks) and not plan.tasks for plan, right in zip(plans, wanted, strict=True)),
        kinds={kind: overlaps(zip(given, wanted, strict=True)) for kind, given in kinds.items()},
        answers=_answers(pairs),
        states=dict(Counter(each.state for each in tasks)),
        reasons=dict(Counter(each.result.reason for each in tasks if each.result.reason)),
        samples=tuple(_sample(record) for record, _ in pairs[:SAMPLES]),
    )
    write_plan_scores(task.out / KINDS.plan_scores.file, scores)
    f1 = {measure: round(overlap.f1, 6) for measure, overlap in scores.kinds["plans"].items()}
    return {"requests": len(planned), **f1, "right_answers": sum(each.right for each in scores.answers.values())}


def _plan(tasks: Sequence[Any]) -> Plan:
    return parse_plan(json.dumps(list(tasks)))


def _answers(pairs: Sequence[Pair]) -> dict[str, Answered]:
    """Return how many answers are right, by language, and how many answers to the next such request would be."""
    by_language: defaultdict[str, list[Pair]] = defaultdict(list)
    for record, request in pairs:
        if request.answer:
            by_language[request.language].append((record, request))
    found = {}
    for language, own in sorted(by_language.items()):
        answers = [record.answer for record, _ in own]
        others = [*answers[1:], *answers[:1]] if len(own) > 1 else [""]
        found[language] = Answered(
            right=sum(_is_right(answer, request) for answer, (_, request) in zip(answers, own, strict=True)),
            of=len(own),
            by_chance=sum(_is_right(answer, request) for answer, (_, request) in zip(others, own, strict=True)),
        )
    return found


def _is_right(answer: str, request: ToolRequest) -> bool:
    """Return whether an answer holds a text of each group: a number as a number, any other text within the text."""
    plain = answer.casefold()
    numbers = {Fraction(each) for each in _NUMBER.findall(plain)}
    return all(
        any(Fraction(text) in numbers if _NUMBER.fullmatch(text) else text.casefold() in plain for text in group)
        for group in request.answer
    )


def _sample(record: Conducted) -> dict[str, Any]:
    results = [
        {
            "id": each.id,
            "task": each.task,
            "dep": each.dep,
            "expert": each.expert,
            "args": {**each.texts, **each.files} or dict(each.args),
            "state": each.state,
            "result": (each.result.text or each.result.detail)[:SHOWN_CHARS],
        }
        for each in record.tasks
    ]
    return {
        "id": record.id,
        "text": record.text[:SHOWN_CHARS],
        "tasks": results,
        "repairs": record.repairs,
        "answer": record.answer[: 2 * SHOWN_CHARS],
    }
