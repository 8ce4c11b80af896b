"""Questions: right answers among options, yes where it is so, and nothing about colours of a grey picture."""

from __future__ import annotations

import re

import pytest

from stages.sample.config import LANGUAGES, Language
from stages.sample.draw import Draw
from stages.sample.pictures.questions import ANSWERS, QUESTIONS, WHETHER, asked, choice, free, whether
from stages.sample.pictures.scenes import Animals, Flag, Pair, Scene, Stall

SCENES: tuple[Scene, ...] = (
    Animals("wolf", "red", 1, "left"),
    Animals("horse", "white", 3),
    Animals("fox", "blue", 7),
    Pair(("heron", "goat"), ("green", "brown"), "top"),
    Flag("Alder", "purple", "cross", "black"),
    Stall("yellow", "5"),
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_subject_has_wordings_and_an_answer_in_both_languages_and_some_scene_asks_it() -> None:
    subjects = {each.subject for scene in SCENES for each in asked(scene, False)}
    assert set(QUESTIONS) == set(ANSWERS) == {(each, language) for each in subjects for language in LANGUAGES}
    assert {subject for subject, _ in WHETHER} < subjects


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_whole_and_in_their_language_and_the_answer_is_among_four_options(language: Language) -> None:
    for scene in SCENES:
        for number, about in enumerate(asked(scene, False)):
            draw = Draw("test", number)
            plain, offered = free(about, language, draw), choice(about, language, draw)
            assert plain.value in plain.sentence
            assert len(set(offered.options)) == 4 and offered.value in offered.options
            assert all(option in offered.text for option in offered.options)
            for text in (plain.text, plain.sentence, offered.text):
                assert "{" not in text
                assert bool(CHINESE.search(text)) == (language == "zh")


def test_some_questions_read_as_people_write_them() -> None:
    first = {about.subject: about for scene in SCENES for about in reversed(asked(scene, False))}
    assert free(first["count"], "en", Draw(1)).sentence == "There are seven foxes."
    assert free(first["which"], "zh", Draw(1)).sentence == "上面是苍鹭。"
    assert free(first["second"], "en", Draw(1)).sentence == "The cross on the flag is black."
    assert free(first["price"], "zh", Draw(1)).sentence == "面包要五枚铜钱。"


def test_yes_is_the_answer_exactly_where_the_value_is_right_and_as_often_as_no() -> None:
    about = asked(SCENES[0], False)[0]
    found = [whether(about, "en", Draw("whether", number)) for number in range(200)]
    assert all((each.value == "yes") == (each.asks == "red") for each in found)
    assert all(each.asks in each.text for each in found)
    assert 0.4 < sum(each.value == "yes" for each in found) / len(found) < 0.6


def test_options_have_what_the_picture_shows_elsewhere() -> None:
    for about in asked(SCENES[3], False):
        if about.subject == "which":
            assert {"heron", "goat"} <= set(choice(about, "en", Draw("x")).options)


def test_a_grey_picture_answers_nothing_about_colours() -> None:
    for scene in SCENES:
        assert "colour" in {each.aspect for each in asked(scene, False)}
        assert "colour" not in {each.aspect for each in asked(scene, True)}
        assert asked(scene, True)
