"""Exams on speech: tasks that evaluate takes, the right answers, and word accuracy."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.catalog.definitions import check_definitions
from stages.evaluate.cells import Cell
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.sample.exams import exam_files
from stages.sample.speech.chats import Spoken
from stages.sample.speech.config import EXAMS, SCORER
from stages.sample.speech.exams import score, word_accuracy, write_exams
from stages.sample.speech.sentences import sentence

SPOKEN = [Spoken(number, f"{number:032x}", sentence(1, "exam", number)) for number in range(240)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exams")
    write_exams(made, SPOKEN, 1)
    return made


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", EXAMS)
def test_an_exam_is_a_task_of_lm_eval_that_gives_the_sounds_key(folder: Path, tmp_path: Path, name: str) -> None:
    files = [folder / file for file in (*exam_files(name), SCORER)]
    check_definitions(files)
    use_datasets(tmp_path, [])
    task = load_cell(Cell(task=name), files)["tasks"][name]
    documents, rows = list(task.test_docs()), rows_of(folder, name)
    assert [task.doc_to_audio(each) for each in documents] == [[row["sound"]] for row in rows]
    assert [task.doc_to_text(each) for each in documents] == [row["question"] for row in rows]
    if "choices" in rows[0]:
        assert all(row["choices"][row["answer"]] == row["value"] for row in rows)
        places = Counter(row["answer"] for row in rows)
        assert max(places.values()) < 0.4 * len(rows)
    else:
        assert task.process_results(documents[0], [rows[0]["value"]]) == {"word_accuracy": 1.0}


def test_sentences_that_ask_are_an_exam_of_their_own(folder: Path) -> None:
    asked = {each.key for each in SPOKEN if each.sentence.answer}
    assert {row["sound"] for row in rows_of(folder, "hear_facts_en")} == asked
    assert {row["sound"] for row in rows_of(folder, "hear_answers_en")} == {each.key for each in SPOKEN} - asked


@pytest.mark.parametrize(
    ("said", "accuracy"),
    [
        ("the fox is red", 1.0),
        ("The fox is red!", 1.0),
        ("The fox red", 0.75),
        ("The old fox is red", 0.75),
        ("A hare was red", 0.25),
        ("", 0.0),
        ("no no no no no no no no", 0.0),
    ],
)
def test_word_accuracy_counts_words_that_are_wrong_missing_or_too_many(said: str, accuracy: float) -> None:
    assert word_accuracy("The fox is red.", said) == accuracy
    assert score({"value": "The fox is red."}, [said]) == {"word_accuracy": accuracy}
