"""The formats of questions about APIs and of answers to them, one JSON object a line, as Gorilla publishes them.

question   {"question_id": 7, "text": "...", "api_data": {an API}}; published ones have `code` ("###Instruction: ...")
           in place of `text`, and the line's number, from 1, as id. null as `api_data`: no API answers the request
answer     {"question_id": 7, "text": "..."}, or a rollout, whose `prompt` ends in the id: "heldout/7"
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.formats.calls.apis import Api, parse_api
from stages.formats.jsonl import parse_lines
from stages.shared.errors import DataError
from stages.shared.files import write_atomic

INSTRUCTION, OUTPUT = "###Instruction:", "###Output:"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request that one API answers, or none."""

    id: str
    text: str
    api: Api | None
    """With the arguments of the request, where it gives some."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A model's answer."""

    question: str
    text: str


def read_questions(path: Path) -> dict[str, Question]:
    """Return the questions of a file by id. Raises DataError, naming file and line, for a line that is none."""
    remedy = "Write one JSON object a line: {question_id, text, api_data}"
    found = list(parse_lines(path, _question, "not a question about an API", remedy, skips_blank=True))
    questions = {question.id: question for question in found}
    if len(questions) < len(found):
        raise DataError(path, "an id stands twice", "Give every question an id of its own")
    return questions


def _question(record: Any, number: int) -> Question:
    text = record["text"] if "text" in record else record["code"].partition(OUTPUT)[0].partition(INSTRUCTION)[2]
    if not isinstance(text, str):
        raise TypeError(f"text {text!r}: must be a text")
    api = None if record["api_data"] is None else parse_api(record["api_data"], number)
    return Question(id=str(record.get("question_id", number)), text=text.strip(), api=api)


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write one question a line, in order, atomically."""
    records = (
        {"question_id": each.id, "text": each.text, "api_data": asdict(each.api) if each.api else None}
        for each in questions
    )
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))


def read_answers(path: Path) -> list[Answer]:
    """Return the answers of a file in order. Raises DataError, naming file and line, for a line that is none."""
    remedy = "Write one JSON object a line: {question_id, text}, or give rollouts"
    return list(parse_lines(path, _answer, "not an answer", remedy, skips_blank=True))


def _answer(record: Any, number: int) -> Answer:
    if not isinstance(record["text"], str):
        raise TypeError(f"text {record['text']!r}: must be a text")
    id_ = record["prompt"].rpartition("/")[2] if "prompt" in record else record.get("question_id", number)
    return Answer(question=str(id_), text=record["text"])
