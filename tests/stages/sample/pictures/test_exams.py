"""Exams on pictures: tasks that lm-eval loads, with the right answers, and none of them to be guessed."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.catalog.definitions import check_definitions
from stages.evaluate.cells import Cell
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.sample.exams import exam_files
from stages.sample.pictures.chats import Shown
from stages.sample.pictures.config import exam_names
from stages.sample.pictures.exams import MOST_ROWS, write_exams
from stages.sample.pictures.questions import asked
from stages.sample.pictures.scenes import scene

SHOWN = [Shown(number, f"{number:032x}", scene(1, "exam", number), number % 20 == 4) for number in range(600)]
SCENES = {each.key: each for each in SHOWN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exams")
    write_exams(made, SHOWN, 1)
    return made


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_promised_exams_are_written_and_no_others(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {file for name in exam_names() for file in exam_files(name)}


@pytest.mark.parametrize("name", exam_names())
def test_an_exam_has_enough_rows_and_no_answer_is_the_commonest_by_far(folder: Path, name: str) -> None:
    rows = rows_of(folder, name)
    assert 60 <= len(rows) <= MOST_ROWS
    assert len({row["id"] for row in rows}) == len(rows)
    if "captions" in name:
        return
    values = Counter(row["value"] for row in rows)
    chance = 1 / len(rows[0]["choices"]) if "choices" in rows[0] else 0.4
    assert values.most_common(1)[0][1] / len(rows) < chance + 0.12
    if "choices" in rows[0]:
        assert all(row["choices"][row["answer"]] == row["value"] for row in rows)


def test_answers_are_what_the_picture_shows(folder: Path) -> None:
    for row in rows_of(folder, "tell_colour_en"):
        shown = SCENES[row["picture"]]
        colours = {about.value for about in asked(shown.scene, shown.is_grey) if about.aspect == "colour"}
        assert row["value"] in colours
    for row in rows_of(folder, "see_count_en"):
        number = ("one", "two", "three", "four").index(row["value"]) + 1
        assert number == getattr(SCENES[row["picture"]].scene, "count", None)


@pytest.mark.parametrize("name", ["see_count_zh", "tell_count_zh", "tell_animal_en", "see_captions_en"])
def test_an_exam_is_a_task_of_lm_eval_that_gives_the_pictures_key(folder: Path, tmp_path: Path, name: str) -> None:
    files = [folder / file for file in exam_files(name)]
    check_definitions(files)
    use_datasets(tmp_path, [])
    task = load_cell(Cell(task=name), files)["tasks"][name]
    documents, rows = list(task.test_docs()), rows_of(folder, name)
    assert [task.doc_to_image(each) for each in documents] == [[row["picture"]] for row in rows]
    assert [task.doc_to_text(each) for each in documents] == [row["question"] for row in rows]
    assert task.config.target_delimiter == ("" if name.endswith("zh") else " ")


def test_the_pattern_of_free_answers_finds_the_value_in_a_sentence(folder: Path) -> None:
    for name, sentence, value in (
        ("tell_count_zh", "图里有两匹骏马。", "两匹"),
        ("tell_count_en", "There is one fox.", "one"),
        ("tell_animal_en", "The animal in the picture is the wolf.", "wolf"),
        ("tell_colour_zh", "旗子是红色的。", "红色"),
    ):
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
        (pattern,) = re.findall(r"regex_pattern: (.+)", text)
        assert re.findall(pattern, sentence)[-1] == value
        assert not re.findall(pattern, "an honest answer, clearly")
