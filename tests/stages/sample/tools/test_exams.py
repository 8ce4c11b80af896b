"""Exams: lm-eval's own filters read the answer of a note from a continuation."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from lm_eval.filters.extraction import RegexFilter

from stages.sample.config import LANGUAGES, exam_name
from stages.sample.tools.config import EXAMS, NOTE_TOOLS
from stages.sample.tools.exams import write_exams
from stages.sample.tools.notes import notes


def test_the_filter_reads_the_answer_of_every_note_and_no_question_holds_it(tmp_path: Path) -> None:
    counts = write_exams(tmp_path, seed=1, count=20)
    assert set(counts.values()) == {20}
    for tool in NOTE_TOOLS:
        texts = {note.id: note for note in notes(1, tool, True, 40, "asked")}
        for language in LANGUAGES:
            name = exam_name(EXAMS[tool], language)
            asked = (tmp_path / f"asked_{name}.jsonl").read_text().splitlines()
            assert [json.loads(line)["question"] for line in asked] == [
                note.question for note in texts.values() if note.language == language
            ]
            definition = yaml.safe_load((tmp_path / f"{name}.yaml").read_text())
            (pattern,) = (each["filter"][0]["regex_pattern"] for each in definition["filter_list"])
            for line in (tmp_path / f"{name}.jsonl").read_text().splitlines():
                row = json.loads(line)
                note = texts[row["id"]]
                assert row["value"] not in row["question"].split()
                rest = note.text[len(row["question"]) :]
                assert RegexFilter(pattern, 0).apply([[rest]], [row]) == [[row["value"]]]
                assert row["date"] == note.day.isoformat()
