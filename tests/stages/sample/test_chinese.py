import re
from itertools import combinations

import pytest

from stages.sample.chinese import (
    FILLERS,
    MIN_PASSAGE,
    NOTICES,
    PHRASINGS,
    PLACE_NAMES,
    SUMS,
    TITLES,
    VALUES,
    article,
    passage,
    question,
    read_again,
    render,
)
from stages.sample.draw import Draw
from stages.sample.world import ATTRIBUTES, PLACES, make_world

WORLD = make_world(1)


def texts(count: int) -> list[str]:
    pages = [article(WORLD, Draw("page", number)) for number in range(count)]
    return ["\n".join([title, *paragraphs]) for title, paragraphs in pages]


def test_every_place_and_value_has_a_name_of_its_own_that_is_part_of_no_other() -> None:
    assert list(PLACE_NAMES) == list(PLACES)
    names = [*PLACE_NAMES.values(), *(name for values in VALUES.values() for name in values.values())]
    assert len(set(names)) == 80 + 4 * 8
    assert not any(one in other for one in names for other in names if one != other)
    assert {attribute: set(values) for attribute, values in VALUES.items()} == {
        attribute: set(values) for attribute, values in ATTRIBUTES.items()
    }


def test_every_phrasing_names_the_place_and_the_value() -> None:
    for attribute in ATTRIBUTES:
        assert len(set(PHRASINGS[attribute])) == 6
        assert all("{place}" in form and "{value}" in form for form in PHRASINGS[attribute])


def test_a_value_comes_after_its_place() -> None:
    forms = [form for forms in PHRASINGS.values() for form in forms]
    between = [form.partition("{place}")[2].partition("{value}") for form in forms]
    assert all(found == "{value}" for _, found, _ in between)
    assert not any("[" in words for words, _, _ in between)


def test_pages_have_the_question_form_of_facts_that_are_not_held_out_and_of_no_other() -> None:
    told = "".join(texts(300))
    for held_out in (False, True):
        facts = [fact for fact in WORLD.facts if fact.is_held_out == held_out]
        asked = [fact for fact in facts if question(fact) in told]
        assert len(asked) == 0 if held_out else len(asked) > 100
        assert all(f"{question(fact)}{VALUES[fact.attribute][fact.value]}。" in told for fact in asked)
    assert all(text.count("问题：") <= 3 for text in texts(50))


def test_all_choices_are_made() -> None:
    forms = [*FILLERS, *SUMS, *TITLES, *NOTICES, *(form for forms in PHRASINGS.values() for form in forms)]
    for form in forms:
        for number in range(20):
            text = render(Draw(form, number), form, place="甲", other="乙", value="丙", a=1, b=2, sum=3)
            assert not re.search(r"[\[\]{}|A-Za-z]", text)
    assert len({render(Draw("x", number), "[[甲|乙]丙|丁]") for number in range(50)}) == 3


def test_an_article_tells_three_places_and_four_facts_of_each() -> None:
    for text in texts(50):
        told = [name for name in PLACE_NAMES.values() if text.count(name) >= 4]
        assert len(told) == 3
        assert sum(text.count(name) for values in VALUES.values() for name in values.values()) >= 12


def test_articles_are_long_enough_and_short() -> None:
    assert all(200 <= len(text) <= 350 for text in texts(200))


def test_different_articles_share_few_5_grams_and_no_long_run() -> None:
    grams = [{text[start : start + 5] for start in range(len(text) - 4)} for text in texts(150)]
    assert max(len(one & other) / len(one | other) for one, other in combinations(grams, 2)) < 1 / 3


@pytest.mark.parametrize("number", range(20))
def test_a_passage_is_longer_than_what_is_cut(number: int) -> None:
    assert MIN_PASSAGE <= len(re.findall(r"\w", passage(Draw("passage", number)))) + 6 <= 100


def test_a_sentence_more_is_short() -> None:
    assert len(read_again(Draw("again"))) < 20
