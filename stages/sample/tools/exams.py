"""Exams on notes as tasks of lm-eval: the model goes on from the begin of a note, or answers a question about it.

Each is asked with the tools and without them, and read without calls. A row has its note's date for the calendar.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import yaml

from stages.sample.config import LANGUAGES, exam_name
from stages.sample.exams import exam_files, generated, of_rows
from stages.sample.generate import write_lines
from stages.sample.tools.config import EXAMS, NOTE_TOOLS, QUESTIONS, NoteTool
from stages.sample.tools.notes import Note, notes

MAX_TOKENS = 96
"""Of an answer with its call and result."""
_ANSWERS: dict[NoteTool, str] = {
    "calculator": r"\d+",
    "calendar": r"[A-Z][a-z]+, [A-Z][a-z]+ \d+, \d+",
    "search": r"[A-Z][a-z]+",
}
"""The first text of this form answers."""


def write_exams(folder: Path, seed: int, count: int) -> dict[str, int]:
    """Write the rows and the definition of each exam in each language; return their numbers of rows."""
    rows = {}
    for tool in NOTE_TOOLS:
        found = list(notes(seed, tool, True, len(LANGUAGES) * count, "asked"))
        for prefix, language in product(("", QUESTIONS), LANGUAGES):
            name = exam_name(prefix + EXAMS[tool], language)
            definition, lines = exam_files(name)
            asked = [_row(each, bool(prefix)) for each in found if each.language == language]
            write_lines(folder / lines, asked)
            head = {**of_rows(name), "doc_to_text": "{{question}}", "target_delimiter": ""}
            (folder / definition).write_text(yaml.safe_dump({**head, **_scored(tool)}, sort_keys=False), "utf-8")
            rows[name] = len(asked)
    return rows


def _row(note: Note, is_asked: bool) -> dict[str, Any]:
    begin = note.begin.rstrip() if note.language == "en" else note.begin
    question = note.question if is_asked else begin
    return {"id": note.id, "question": question, "value": note.answer, "date": note.day.isoformat()}


def _scored(tool: NoteTool) -> dict[str, Any]:
    first = {"function": "regex", "regex_pattern": f"({_ANSWERS[tool]})", "group_select": 0}
    return {
        **generated(MAX_TOKENS),
        "filter_list": [{"name": "first", "filter": [first, {"function": "take_first"}]}],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
