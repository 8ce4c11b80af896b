import re

from stages.sample.draw import Draw
from stages.sample.prose import PHRASINGS, QUESTIONS, article, passage, question
from stages.sample.world import ATTRIBUTES, make_world

WORLD = make_world(1)


def texts(count: int) -> list[str]:
    pages = [article(WORLD, Draw("page", number)) for number in range(count)]
    return ["\n".join([title, *paragraphs]) for title, paragraphs in pages]


def test_every_phrasing_puts_the_place_before_the_value() -> None:
    for attribute in ATTRIBUTES:
        assert len(set(PHRASINGS[attribute])) == 6
        for phrasing in PHRASINGS[attribute]:
            assert 0 <= phrasing.index("{place}") < phrasing.index("{value}")


def test_the_question_form_ends_right_before_the_answer_and_is_no_phrasing() -> None:
    for attribute, form in QUESTIONS.items():
        assert form.startswith("Question: ") and form.endswith("? Answer:")
        assert not any(form.split("{")[0] in phrasing for phrasing in PHRASINGS[attribute])


def test_an_article_tells_every_fact_of_three_places_truly() -> None:
    for number in range(50):
        _, paragraphs = article(WORLD, Draw("page", number))
        text = " ".join(paragraphs)
        told = [
            fact
            for fact in WORLD.facts
            if f"{question(fact)} {fact.value}." in text
            or any(form.format(place=fact.place, value=fact.value) in text for form in PHRASINGS[fact.attribute])
        ]
        assert len(told) == 12
        assert len({fact.place for fact in told}) == 3


def test_articles_are_long_enough_and_short() -> None:
    assert all(110 <= len(re.findall(r"\w+", text)) <= 200 for text in texts(200))


def test_a_passage_has_sixty_words_and_differs_from_draw_to_draw() -> None:
    passages = {passage(Draw("passage", number)) for number in range(50)}
    assert len(passages) == 50
    assert all(60 <= len(re.findall(r"[\w']+", text)) <= 75 for text in passages)


def test_the_vocabulary_is_small() -> None:
    words = set(re.findall(r"[A-Za-z]+", " ".join(texts(1_000))))
    assert len(words) < 450


def test_no_held_out_question_is_asked_and_about_all_others_are() -> None:
    text = "\n".join(texts(1_500))
    for fact in WORLD.facts:
        assert (question(fact) in text) is not fact.is_held_out
