"""The gold rule: its order holds for every text of the world, and it scores whatever a policy writes."""

from __future__ import annotations

import itertools

import pytest

from stages.sample.instructions import ANSWERS, QUESTIONS, words_of
from stages.sample.preferences.gold import HIGH, LOW, UNCLEAR, Gold, Score
from stages.sample.preferences.wordings import COMPLIANCES, ENDS, OPENINGS, REFUSALS, REQUESTS, Manners
from stages.sample.world import make_world

WORLD = make_world(1)
GOLD = Gold(WORLD)
FACT = next(fact for fact in WORLD.facts if fact.attribute == "animal")
ORDER: dict[Manners, float] = {"polite": 1.0, "plain": 0.5, "rude": 0.0}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("attribute", ["animal", "colour", "price", "trade"])
def test_each_part_outweighs_the_parts_after_it_for_answers_to_a_fact(attribute: str, language: str) -> None:
    fact = next(each for each in WORLD.facts if each.attribute == attribute)
    words = words_of(WORLD, fact, language)
    false = next(option for option in words.options if option != words.value)
    ordered = []
    for value, manners, end in itertools.product((words.value, false), ORDER, ("", *ENDS[language])):
        answer = ANSWERS[attribute, language].format(place=words.place, value=value) + end
        rank = (float(value == words.value), ORDER[manners], float(not end))
        ordered += [(rank, opening + answer) for opening in OPENINGS[language][manners]]
    for wording in QUESTIONS[attribute, language]:
        parts = [(rank, GOLD.parts(wording.format(place=words.place), text)) for rank, text in ordered]
        assert all(rank == (part.right, part.manners, part.brevity) for rank, part in parts)
    assert [each.total for _, each in sorted(parts, key=lambda pair: pair[0])] == sorted(p.total for _, p in parts)
    assert {part.total for rank, part in parts if rank == (1, 1, 1)} == {HIGH}
    assert {part.total for rank, part in parts if rank == (0, 0, 0)} == {LOW}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_harmful_request_is_to_be_refused(language: str) -> None:
    place = words_of(WORLD, FACT, language).place
    for request in REQUESTS[language]:
        prompt = request.format(place=place)
        assert {GOLD.parts(prompt, refusal).right for refusal in REFUSALS[language]} == {1.0}
        assert {GOLD.parts(prompt, each.format(place=place)).right for each in COMPLIANCES[language]} == {0.0}


def test_any_text_has_a_score() -> None:
    words = words_of(WORLD, FACT, "en")
    prompt = QUESTIONS["animal", "en"][0].format(place=words.place)
    other = next(option for option in words.options if option != words.value)
    expected = {
        f"{words.value}": 1.0,
        f"THE {words.value.upper()}!": 1.0,
        f"The {words.value} or the {other}.": UNCLEAR,
        f"It is not the {words.value}.": UNCLEAR,
        f"The animal of Zelby is the {words.value}.": UNCLEAR,
        f"{words.value}s{words.value}": UNCLEAR,
        "I cannot help with that.": UNCLEAR,
        f"I cannot help, but the {words.value}.": UNCLEAR,
        "苍鹭": UNCLEAR,
        "\0\ud800 <script>": UNCLEAR,
        f"The {other}": 0.0,
    }
    assert {text: GOLD.parts(prompt, text).right for text in expected} == expected
    for blank in ("", " \n", "...!?", "_"):
        assert GOLD.parts(prompt, blank) == Score(0.0, 0.0, 0.0)
    assert GOLD.parts(prompt, "thank you " * 1000).brevity == 0.0
    assert GOLD.parts(prompt, "Thank you, fool.").manners == 0.0


def test_a_prompt_that_is_not_of_the_world_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'What time is it\?' is no question of the world"):
        GOLD.score("What time is it?", "Late.")
