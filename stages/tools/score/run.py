"""The step of `tools.score`: verdicts on the answers of one file, and their counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from stages.formats.calls.apis import Api, read_apis
from stages.formats.calls.questions import Answer, read_answers, read_questions
from stages.formats.calls.scores import CallVerdict, Mode, Verdict, write_call_scores
from stages.formats.kinds import KINDS
from stages.shared.errors import DataError
from stages.shared.files import write_atomic
from stages.shared.task import Task
from stages.tools.gorilla.functions import FunctionScorer
from stages.tools.gorilla.scoring import Scorer, scores_of
from stages.tools.score.config import ScoreConfig

VERDICTS = "verdicts.jsonl"
SAMPLES, SHOWN_CHARS = 5, 400
"""Answers of each reason that the report shows, and characters of each."""


def score(task: Task[ScoreConfig]) -> dict[str, Any]:
    """Write verdicts and scores; return the published mode's numbers, of functions the strict mode's.

    Raises DataError for answers to no question.
    """
    (file,), (apis_file,), (questions_file,) = (task.inputs[name] for name in ("answers", "apis", "questions"))
    hub = task.config.hubs[file.source]
    apis, questions = read_apis(apis_file.path), read_questions(questions_file.path)
    answers = read_answers(file.path)
    unknown = [answer.question for answer in answers if answer.question not in questions]
    if unknown or not answers:
        problem = f"no question has the id {unknown[0]!r}" if unknown else "no answers"
        raise DataError(file.path, problem, f"Give answers to the questions of {questions_file.path}")
    scorer = FunctionScorer(apis) if hub == "functions" else Scorer(apis, hub)
    rows = [scorer.score(questions[each.question], each.text) for each in answers]
    lines = "".join(json.dumps(asdict(row), sort_keys=True) + "\n" for row in rows)
    write_atomic(task.out / VERDICTS, lines)
    scores = replace(scores_of(task.unit, hub, rows), samples=tuple(_samples(rows, answers, apis)))
    write_call_scores(task.out / KINDS.call_scores.file, scores)
    shown: tuple[Verdict, ...] = ("correct", "hallucination", *(("refused",) if hub == "functions" else ()))
    mode: Mode = "strict" if hub == "functions" else "published"
    return {"answers": len(answers), **{name: round(scores.share(mode, name), 6) for name in shown}}


def _samples(
    rows: Sequence[CallVerdict], answers: Sequence[Answer], apis: Sequence[Api]
) -> Iterator[Mapping[str, Any]]:
    seen: Counter[str] = Counter()
    for row, answer in zip(rows, answers, strict=True):
        seen[row.why] += 1
        if row.why and seen[row.why] <= SAMPLES:
            calls = {
                f"{mode}_call": apis[place].api_call if place >= 0 else ""
                for mode, place in (("published", row.published_api), ("strict", row.strict_api))
            }
            yield {**asdict(row), "text": answer.text[:SHOWN_CHARS], **calls}
