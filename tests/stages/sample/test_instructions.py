"""Instructions about the world: right answers, wordings that no exam has, and tasks that lm-eval loads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.catalog.definitions import check_definitions
from stages.evaluate.cells import Cell
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.formats.chat.chats import read_chats
from stages.sample.chinese import VALUES
from stages.sample.config import EXAMS, HELD_OUT, LANGUAGES, SampleConfig, exam_name, seeds_name, task_name
from stages.sample.content import TONGUES
from stages.sample.draw import Draw
from stages.sample.generate import facts
from stages.sample.instructions import ANSWERS, EXAM_WORDING, QUESTIONS, words_of
from stages.sample.world import ATTRIBUTES, make_world
from tests.stages.harness import run_unit

VALUES_ZH = {name: value for values in VALUES.values() for value, name in values.items()}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def make_text(language: str, number: int) -> list[str]:
    """Return the title and paragraphs of the article with a number, as a page has them."""
    title, paragraphs = TONGUES[language].article(make_world(1), Draw("article", 1, number))
    return [title, *paragraphs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config, root = SampleConfig(instructions=True), tmp_path_factory.mktemp("made")
    run_unit(config, config.plan({}).steps[1], 0, {}, root)
    return root / "steps" / "instructions" / "00000"


def test_every_wording_and_answer_names_the_place_and_is_in_its_language() -> None:
    assert set(QUESTIONS) == set(ANSWERS) == {(name, language) for name in ATTRIBUTES for language in LANGUAGES}
    for (_, language), wordings in QUESTIONS.items():
        assert len(set(wordings)) == len(wordings) == 6
        assert all(wording.count("{place}") == 1 for wording in wordings)
        assert all(bool(CHINESE.search(wording)) == (language == "zh") for wording in wordings)
    assert all(answer.index("{place}") < answer.index("{value}") for answer in ANSWERS.values())


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_task_has_each_place_in_each_wording_with_the_right_answer_among_four(
    folder: Path, attribute: str, language: str
) -> None:
    rows = read(folder / f"{task_name(attribute, language)}.jsonl")
    right = {}
    for fact in make_world(1).about(attribute):
        words = words_of(make_world(1), fact, language)
        right[words.place] = words.value
    assert len(rows) == 80 * 5 == len({row["question"] for row in rows})
    for row in rows:
        (place,) = [each for each in right if each in row["question"]]
        assert row["answer"] == right[place]
        assert len(set(row["options"])) == 4
        assert row["answer"] in row["options"]


def test_no_task_and_no_conversation_has_the_wording_of_the_exam_or_asks_for_what_is_held_out(folder: Path) -> None:
    asked = [row["question"] for path in folder.glob("*_??.jsonl") if path.stem.split("_")[0] in ATTRIBUTES
             for row in read(path)]  # fmt: skip
    talked = [message.text for chat in read_chats(folder / "chats.jsonl") for message in chat.messages]
    exams = {
        name: {row["question"] for row in read(folder / f"{exam_name(*name)}.jsonl")}
        for name in EXAMS
        if name[0] in ("questions", "goods")
    }
    for language in LANGUAGES:
        assert len(exams["questions", language]) == 80 * 3
        assert not exams["questions", language] & {*asked, *talked}
        assert len(exams["goods", language]) == 80
    goods = {
        wording.partition("{place}")[index]
        for language in LANGUAGES
        for wording in (*QUESTIONS[HELD_OUT, language], ANSWERS[HELD_OUT, language].partition("{value}")[0])
        for index in (0, 2)
    }
    assert not any(part in text for text in talked for part in goods if len(part) > 3)


def test_conversations_are_right_and_half_of_them_go_on(folder: Path) -> None:
    world, talks = make_world(1), list(read_chats(folder / "chats.jsonl"))
    assert len(talks) == 80 * 3 * 2
    answers = {
        ANSWERS[attribute, language].format(place=words.place, value=words.value)
        for attribute, language in QUESTIONS
        for words in (words_of(world, fact, language) for fact in world.about(attribute))
    }
    for talk in talks:
        assert [message.role for message in talk.messages] == ["user", "assistant"] * (len(talk.messages) // 2)
        assert all(message.text in answers for message in talk.messages[1::2])
    assert 0.4 < sum(len(talk.messages) == 4 for talk in talks) / len(talks) < 0.6


def test_seed_tasks_are_in_the_format_of_self_instruct(folder: Path) -> None:
    for language in LANGUAGES:
        seeds = read(folder / seeds_name(language))
        assert len({seed["id"] for seed in seeds}) == len(seeds) == 12
        assert sum(seed["is_classification"] for seed in seeds) == 4
        assert all(seed["instances"][0]["output"] for seed in seeds)
        assert all(bool(CHINESE.search(seed["instruction"])) == (language == "zh") for seed in seeds)


@pytest.mark.parametrize("exam", EXAMS)
def test_an_exam_is_a_task_of_lm_eval_with_the_answers_of_the_world(
    exam: tuple[str, str], folder: Path, tmp_path: Path
) -> None:
    name = exam_name(*exam)
    files = [folder / f"{name}{suffix}" for suffix in (".yaml", ".jsonl")]
    check_definitions(files)
    use_datasets(tmp_path, [])
    task = load_cell(Cell(task=name), files)["tasks"][name]
    rows = read(files[1])
    documents = list(task.test_docs())
    assert task.config.target_delimiter == ("" if exam[1] == "zh" else " ")
    if exam[0] == "articles":
        assert [task.doc_to_target(document) for document in documents] == [row["text"] for row in rows]
        return
    assert [task.doc_to_text(document) for document in documents] == [row["question"] for row in rows]
    assert all(row["choices"][row["answer"]] == row["value"] for row in rows)


def test_the_articles_of_an_exam_are_on_no_page_and_in_its_language(folder: Path) -> None:
    for language in LANGUAGES:
        articles = [row["text"] for row in read(folder / f"{exam_name('articles', language)}.jsonl")]
        assert len(set(articles)) == 40
        assert all(bool(CHINESE.search(text)) == (language == "zh") for text in articles)
        pages = {tuple(make_text(language, number)) for number in range(3_000)}
        assert not pages & {tuple(text.split("\n")) for text in articles}


def test_facts_ask_in_chinese_what_the_questions_in_english_ask(folder: Path) -> None:
    asked = read(folder / f"{exam_name('facts', 'zh')}.jsonl")
    english = facts(make_world(1))
    assert len(asked) == len(english) == 160
    for one, other in zip(asked, english, strict=True):
        assert other["question"].startswith("Question: ") and one["question"].startswith("问题：")
        assert one["answer"] == other["answer"]
        assert [VALUES_ZH[choice] for choice in one["choices"]] == other["choices"]


def test_the_wording_of_the_exam_is_one_of_the_wordings() -> None:
    for (_, language), wordings in QUESTIONS.items():
        start = {"en": "Tell me", "zh": "请说出"}[language]
        assert [wording.startswith(start) for wording in wordings].count(True) == 1
        assert wordings[EXAM_WORDING].startswith(start)
