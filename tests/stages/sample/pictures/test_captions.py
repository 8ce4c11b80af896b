"""Captions: they name what a scene shows, and no colour of a grey picture."""

from __future__ import annotations

import pytest

from stages.sample.config import LANGUAGES, Language
from stages.sample.draw import Draw
from stages.sample.pictures.captions import caption, notes, wanted
from stages.sample.pictures.words import word
from stages.sample.world import ATTRIBUTES
from tests.stages.sample.pictures.test_questions import SCENES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_names_all_that_is_wanted_of_it(language: Language) -> None:
    for scene in SCENES:
        texts = {caption(scene, False, language, Draw("caption", number)) for number in range(8)}
        assert len(texts) == 2
        for text in texts:
            assert all(any(each in text for each in words) for words in wanted(scene, language)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_of_a_grey_picture_names_no_colour(language: Language) -> None:
    for scene in SCENES:
        text = caption(scene, True, language, Draw("caption"))
        assert not any(word(colour, language) in text for colour in ATTRIBUTES["colour"])
        assert "  " not in text and "{" not in text


def test_some_captions_read_as_people_write_them() -> None:
    texts = {caption(scene, False, language, Draw(3)) for scene in SCENES for language in LANGUAGES}
    assert {"There are three white horses in the picture.", "The picture shows three white horses."} & texts
    assert {"图里有三匹白色的骏马。", "这张图画着三匹白色的骏马。"} & texts
    pair = {caption(SCENES[3], False, "en", Draw(number)) for number in range(8)}
    assert "There is a green heron above a brown goat." in pair


@pytest.mark.parametrize("language", LANGUAGES)
def test_notes_have_what_a_caption_names_in_a_drawn_order(language: Language) -> None:
    for scene in SCENES:
        texts = {notes(scene, language, Draw("notes", number)) for number in range(12)}
        assert len(texts) > 1
        assert all(any(each in text for each in words) for words in wanted(scene, language) for text in texts)


def test_notes_keep_the_words_of_a_thing_together() -> None:
    things = [notes(SCENES[3], "en", Draw("notes", number)).split(", ") for number in range(8)]
    for each in things:
        assert {frozenset(thing.split()) for thing in each} == {
            frozenset(("heron", "green", "top")),
            frozenset(("goat", "brown", "bottom")),
        }
