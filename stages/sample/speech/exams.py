"""Exams on speech as tasks of lm-eval: transcription, content, and spoken questions. They bring their scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.sample.draw import Draw
from stages.sample.exams import CHOICE, exam_files, generated, of_rows
from stages.sample.generate import write_lines
from stages.sample.speech.chats import WRITE, Spoken, question
from stages.sample.speech.config import ANSWERS_EXAM, FACTS_EXAM, SCORER, WORDS_EXAM

MAX_TOKENS = 64
CODE = f'''"""Scores the words of a sound."""

from {__name__} import score
'''
Row = dict[str, Any]


def write_exams(folder: Path, spoken: Sequence[Spoken], seed: int) -> None:
    """Write the rows and the definition of every exam, and the scorer."""
    words = [_row(each, question=WRITE[0], value=each.sentence.text) for each in spoken]
    heard, asked = list[Row](), list[Row]()
    for each in spoken:
        found = question(each.sentence, Draw("exam", seed, each.key), has_options=True)
        right = {"choices": list(found.options), "answer": found.options.index(found.value)}
        (asked if each.sentence.answer else heard).append(_row(each, question=found.text, value=found.value, **right))
    _write(folder, WORDS_EXAM, words, _WORDS)
    _write(folder, ANSWERS_EXAM, heard, yaml.safe_dump(CHOICE, sort_keys=False))
    _write(folder, FACTS_EXAM, asked, yaml.safe_dump(CHOICE, sort_keys=False))
    (folder / SCORER).write_text(CODE, encoding="utf-8")


def _row(spoken: Spoken, **values: Any) -> Row:
    return {"id": f"{spoken.number:06d}", "sound": spoken.key, **values}


def _write(folder: Path, name: str, rows: Sequence[Row], scored: str) -> None:
    definition, lines = exam_files(name)
    head = {**of_rows(name), "doc_to_audio": ["sound"], "doc_to_text": "{{question}}", "target_delimiter": " "}
    write_lines(folder / lines, rows)
    (folder / definition).write_text(yaml.safe_dump(head, sort_keys=False) + scored, encoding="utf-8")


def score(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return the word accuracy of an answer, as lm-eval's `process_results` does."""
    return {"word_accuracy": word_accuracy(doc["value"], results[0])}


def word_accuracy(wanted: str, found: str) -> float:
    """Return one minus the word error rate, at least 0. Case and marks do not count."""
    right, said = _words(wanted), _words(found)
    row = list(range(len(said) + 1))
    for place, word in enumerate(right, start=1):
        before, row = row, [place]
        for other, each in enumerate(said):
            row.append(min(before[other] + (word != each), before[other + 1] + 1, row[other] + 1))
    return max(0.0, 1.0 - row[-1] / len(right))


def _words(text: str) -> list[str]:
    return "".join(each if each.isalnum() else " " for each in text.lower()).split()


_GENERATED: Row = {
    **generated(MAX_TOKENS),
    "metric_list": [{"metric": "word_accuracy", "aggregation": "mean", "higher_is_better": True}],
}
_WORDS = f"{yaml.safe_dump(_GENERATED, sort_keys=False)}process_results: !function {Path(SCORER).stem}.score\n"
