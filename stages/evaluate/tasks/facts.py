"""Reads facts files: multiple-choice questions, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.formats.jsonl import parse_lines

REMEDY = "Write {id, question, choices, answer}: two or more different choices, the answer one of them or its index"


def read_facts(path: Path) -> Iterator[dict[str, Any]]:
    """Yield {id, question, choices, answer, heldout}, `answer` as an index into `choices`.

    In the file the answer may also be the text of a choice, and a question without `heldout` is held out. Raises
    DataError, naming file and line, for a line that is no such question.
    """
    return parse_lines(path, parse_fact, "not a fact", REMEDY)


def parse_fact(fact: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a fact as `read_facts` yields it; `number` is its id if it has none.

    Raises ValueError, KeyError or TypeError.
    """
    question, choices, answer = fact["question"], fact["choices"], fact["answer"]
    if not all(isinstance(text, str) and text.strip() for text in (question, *choices)):
        raise ValueError("an empty question or choice")
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise ValueError(f"choices {choices}")
    index = choices.index(answer) if isinstance(answer, str) else answer
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(choices):
        raise ValueError(f"answer {answer!r} for {len(choices)} choices")
    return {
        "id": str(fact.get("id", number)),
        "question": question,
        "choices": choices,
        "answer": index,
        "heldout": fact.get("heldout", True) is not False,
    }
