"""Sentences that the world's people say: sightings of animals, facts about places, and questions about these facts.

An exam has sentences that no other purpose has: sightings of animal, colour and count that are held out as in
pictures, and facts and questions of one in eight of (place, attribute).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from stages.sample.draw import Draw
from stages.sample.pictures.scenes import FEW, ONE_IN
from stages.sample.pictures.words import COUNTS, named
from stages.sample.world import ATTRIBUTES, PLACES, Fact, make_world

Purpose = Literal["transcripts", "questions", "exam"]
ANIMALS, COLOURS = ATTRIBUTES["animal"], ATTRIBUTES["colour"]
SIGHTINGS: tuple[str, ...] = (
    "{count} {colour} {animals} {be} near {place}.",
    "People saw {count} {colour} {animals} in {place}.",
    "Look, {count} {colour} {animals} on the road to {place}!",
)
STATED: dict[str, tuple[str, ...]] = {
    "animal": ("The animal of {place} is the {value}.", "The town seal of {place} shows the {value}."),
    "colour": ("The flag of {place} is {value}.", "Over the roofs of {place} flies a flag that is {value}."),
    "price": ("A loaf of bread in {place} costs {value} coins.", "Bread is sold in {place} for {value} coins."),
    "trade": ("The town of {place} is known for its {value}.", "The workshops of {place} make {value}."),
}
ASKED: dict[str, tuple[str, ...]] = {
    "animal": ("What is the animal of {place}?", "Which animal is on the seal of {place}?"),
    "colour": ("What colour is the flag of {place}?", "Which colour flies over {place}?"),
    "price": ("How many coins does bread cost in {place}?", "What is the price of bread in {place}?"),
    "trade": ("What is made in {place}?", "What do the workshops of {place} make?"),
}
VALUES: dict[str, tuple[str, ...]] = {**ATTRIBUTES, "count": COUNTS[:FEW], "place": PLACES}
"""All values of each name."""
HEARD: dict[str, str] = {
    "animal": "Which animal is it about?",
    "colour": "Which colour is named?",
    "count": "How many animals are there?",
    "place": "Which place is named?",
    "price": "How many coins are named?",
    "trade": "Which goods are named?",
}
"""Written questions about what a sentence says."""


@dataclass(frozen=True)
class Sentence:
    """A sentence to speak."""

    text: str
    says: tuple[tuple[str, str], ...]
    """Names and values of what it says, in words of the text."""
    answer: str = ""
    """The value that a question asks for; empty for a statement."""
    asks: str = ""
    """The attribute that a question asks for."""
    reply: str = ""
    """The answer as people give it."""


def sentence(seed: int, purpose: Purpose, number: int) -> Sentence:
    """Return the sentence of a number: of four, two are sightings, one is a fact and one a question about a fact."""
    draw = Draw("sentence", seed, purpose, number)
    is_exam = purpose == "exam"
    if number % 4 < 2:
        return _sighting(draw, seed, is_exam)
    fact = draw.pick(_facts(seed, is_exam))
    return _question(draw, fact) if number % 4 == 3 else _statement(draw, fact)


@cache
def _facts(seed: int, is_exam: bool) -> tuple[Fact, ...]:
    """Return the facts of exams alone, or all others."""
    drawn = ((Draw("said", seed, place).below(ONE_IN) == 0, fact) for place, fact in enumerate(make_world(seed).facts))
    return tuple(fact for is_held_out, fact in drawn if is_held_out == is_exam)


def _sighting(draw: Draw, seed: int, is_exam: bool) -> Sentence:
    """Return a sighting: each combination of a remainder has each value as often, as in pictures."""
    shift = Draw("sightings", seed).below(ONE_IN)
    while True:
        animal, colour, count = draw.below(len(ANIMALS)), draw.below(len(COLOURS)), draw.between(1, FEW)
        if ((animal + colour + 2 * count + shift) % ONE_IN == 0) == is_exam:
            break
    says = {
        "count": COUNTS[count - 1],
        "colour": COLOURS[colour],
        "animal": ANIMALS[animal],
        "place": draw.pick(PLACES),
    }
    nouns = named(ANIMALS[animal], count)
    text = draw.pick(SIGHTINGS).format(**says, animals=nouns, be="is" if count == 1 else "are")
    return Sentence(text[0].upper() + text[1:], tuple(says.items()))


def _statement(draw: Draw, fact: Fact) -> Sentence:
    text = draw.pick(STATED[fact.attribute]).format(place=fact.place, value=fact.value)
    return Sentence(text, (("place", fact.place), (fact.attribute, fact.value)))


def _question(draw: Draw, fact: Fact) -> Sentence:
    text = draw.pick(ASKED[fact.attribute]).format(place=fact.place)
    reply = STATED[fact.attribute][0].format(place=fact.place, value=fact.value)
    return Sentence(text, (("place", fact.place),), answer=fact.value, asks=fact.attribute, reply=reply)


def all_words() -> set[str]:
    """Return every word that a sentence may have, in lower case, without marks."""
    forms = [*SIGHTINGS, *(form for group in (STATED, ASKED) for forms in group.values() for form in forms)]
    words = {word for form in forms for word in form.split() if "{" not in word}
    values = {value for values in ATTRIBUTES.values() for value in values}
    nouns = {named(animal, 2) for animal in ANIMALS}
    return {bare(word) for word in words | values | nouns | {*PLACES, *COUNTS[:FEW], "is", "are"}}


def bare(word: str) -> str:
    """Return a word in lower case, without marks."""
    return word.strip(".,?!").lower()
