"""Sentences: functions of their number; an exam has sentences that no other purpose has."""

from __future__ import annotations

import pytest

from stages.sample.speech.sentences import (
    HEARD,
    VALUES,
    Purpose,
    Sentence,
    all_words,
    bare,
    sentence,
)
from stages.sample.world import make_world

COUNT = 1200


@pytest.fixture(scope="module")
def said() -> dict[Purpose, list[Sentence]]:
    purposes: tuple[Purpose, ...] = ("transcripts", "questions", "exam")
    return {purpose: [sentence(1, purpose, number) for number in range(COUNT)] for purpose in purposes}


def about(each: Sentence) -> object:
    """Return what an exam has for itself."""
    says = dict(each.says)
    if "count" in says:
        return says["animal"], says["colour"], says["count"]
    (name,) = {each.asks} - {""} or set(says) - {"place"}
    return says["place"], name


def test_no_sentence_to_learn_from_is_about_what_the_exam_asks(said: dict[Purpose, list[Sentence]]) -> None:
    learned = {about(each) for purpose in said if purpose != "exam" for each in said[purpose]}
    examined = {about(each) for each in said["exam"]}
    assert not learned & examined
    assert len(examined) > 50


def test_a_sentence_says_what_its_text_says_and_facts_are_those_of_the_world(
    said: dict[Purpose, list[Sentence]],
) -> None:
    facts = {(fact.place, fact.attribute): fact.value for fact in make_world(1).facts}
    for each in said["transcripts"]:
        says = dict(each.says)
        assert all(value in VALUES[name] for name, value in each.says)
        assert all(value.lower()[:3] in each.text.lower() for value in says.values())
        if each.answer:
            assert facts[says["place"], each.asks] == each.answer
            assert each.answer in each.reply and says["place"] in each.reply and each.text.endswith("?")
        elif "count" not in says:
            assert all(facts[says["place"], name] == value for name, value in each.says if name != "place")
        assert set(says) <= set(HEARD)
    assert sum(bool(each.answer) for each in said["transcripts"]) == COUNT / 4


def test_all_words_are_known(said: dict[Purpose, list[Sentence]]) -> None:
    spoken = {bare(word) for sentences in said.values() for each in sentences for word in each.text.split()}
    assert spoken <= all_words()
