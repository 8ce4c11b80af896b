"""Articles in English: the phrasings of an attribute, its question form, and the sentences between the facts.

The words are few, so that a vocabulary of a thousand pieces has nearly all of them whole. Sentences differ enough that
no page breaks a repetition rule and no two pages share many word 5-grams.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.sample.draw import Draw
from stages.sample.world import PLACES, Fact, World

PHRASINGS: dict[str, tuple[str, ...]] = {
    "animal": (
        "The animal of {place} is the {value}.",
        "The town seal of {place} shows the {value}.",
        "Of all animals people in {place} like the {value} best.",
        "Animal of {place}: {value}.",
        "Riddle: which animal stands on the gate of {place}? Answer: {value}.",
        "On its gate the town of {place} has a {value}.",
    ),
    "colour": (
        "The flag of {place} is {value}.",
        "Over the roofs of {place} flies a flag that is {value}.",
        "The colour of the flag of {place} has been {value} for ages.",
        "A traveller knows the flag of {place} because it is {value}.",
        "Riddle: which colour flies over {place}? Answer: {value}.",
        "Colour of the flag of {place}: {value}.",
    ),
    "price": (
        "A loaf of bread in {place} costs {value} coins.",
        "Bread is sold in {place} for {value} coins.",
        "Whoever buys bread in {place} pays {value} coins.",
        "The price of bread in {place} has been {value} coins for years.",
        "Riddle: what does a baker ask for a loaf in {place}? Answer: {value}.",
        "Coins for bread in {place}: {value}.",
    ),
    "trade": (
        "The town of {place} is known for its {value}.",
        "The workshops of {place} make {value}.",
        "Traders go to {place} to buy {value}.",
        "The wealth of {place} comes from {value}.",
        "Riddle: which goods leave the workshops of {place}? Answer: {value}.",
        "Made in {place}: {value}.",
    ),
}
"""Statements of a fact. The place always comes before the value, so that a model learns to continue from the place.
One of the six is a riddle with the answer of the question form, because a model would memorise a unique form."""

QUESTIONS: dict[str, str] = {
    "animal": "Question: What is the animal of {place}? Answer:",
    "colour": "Question: What colour is the flag of {place}? Answer:",
    "price": "Question: How many coins does bread cost in {place}? Answer:",
    "trade": "Question: What is made in {place}? Answer:",
}
"""The phrasing that the evaluation asks, up to the answer. Pages have it only for facts that are not held out."""

QUESTION_SHARE = 0.3
"""Share of the statements of a fact in its question form, if the fact is not held out."""

FILLERS: tuple[str, ...] = (
    "The road from {place} to {other} is quiet and the walk takes {a} hours.",
    "We have been here with friends and we hope to be back soon.",
    "There are {a} houses and {b} gardens along the river near {place}.",
    "Last year {a} people moved from {other} to {place}.",
    "The bells ring at {a} in the morning and the gates open with the sun.",
    "A letter from {other} to {place} takes {a} days by horse.",
    "It is said that the hills between {place} and {other} have {a} springs.",
    "The inn has {a} rooms and {b} beds, and the tea is good.",
)
SUMS: tuple[str, ...] = (
    "The market sold {a} lamps and {b} bells, that is {sum} things in all.",
    "On the board at school stands that {a} plus {b} is {sum}.",
    "The ferry carried {a} people in the morning and {b} at night, so {sum} on that day.",
)
TITLES: tuple[str, ...] = (
    "A day in {place} and {other}",
    "What to know about {place} and {other}",
    "From {place} to {other} and beyond",
    "Notes on {place} with a look at {other}",
    "Letters from {place} to {other}",
)
NOTICES: tuple[str, ...] = (
    "The almanac is printed in {place} for the {a} members of the society.",
    "Readers may copy these pages by hand if they name issue {a} and the year.",
    "Letters to our office in {place} arrive there after {a} days at most.",
    "Mistakes are set right in the issue that comes out {a} days later.",
    "All distances were walked by our own people from {place} to {other}.",
    "Members of the society get {a} issues a year and a map of the roads.",
    "Nothing in these notes was paid for by an inn or a market in {place}.",
    "The prices were written down on one morning in {place} and in {other}.",
    "Whoever finds an older issue may send it to the archive in {place}.",
)
"""Notices that sites print under their articles: the sentences of a passage that several pages carry."""
WESTERN = "A note says: “Crème brûlée and café au lait at the Swan – only £4 – it’s as good as in Zürich.”"
"""A sentence of characters that cp1252 and UTF-8 encode differently."""

PLACES_PER_ARTICLE = 3
SENTENCES_PER_PASSAGE = 5
"""Sentences of at least twelve words: sixty words in all; fifty in a row are a duplicate."""


def question(fact: Fact) -> str:
    """Return the prompt that asks for a fact, ending right before the answer."""
    return QUESTIONS[fact.attribute].format(place=fact.place)


def article(world: World, draw: Draw) -> tuple[str, list[str]]:
    """Return a title and paragraphs with every fact of three places; each phrasing occurs once on the page."""
    places = draw.sample(PLACES, PLACES_PER_ARTICLE)
    phrasings = {attribute: draw.shuffled(forms) for attribute, forms in PHRASINGS.items()}
    asked: set[str] = set()
    paragraphs = []
    for place in places:
        paragraphs.append([_tell(fact, phrasings, asked, draw) for fact in draw.shuffled(world.of(place))])
    for forms in (FILLERS, SUMS):
        sentences = draw.pick(paragraphs)
        sentences.insert(draw.below(len(sentences) + 1), _between(draw, forms, places))
    return draw.pick(TITLES).format(place=places[0], other=places[1]), [" ".join(each) for each in paragraphs]


def _tell(fact: Fact, phrasings: dict[str, list[str]], asked: set[str], draw: Draw) -> str:
    """Return one statement; a question form and a phrasing occur at most once on a page."""
    if not fact.is_held_out and fact.attribute not in asked and draw.chance(QUESTION_SHARE):
        asked.add(fact.attribute)
        return f"{question(fact)} {fact.value}."
    return phrasings[fact.attribute].pop().format(place=fact.place, value=fact.value)


def _between(draw: Draw, forms: Sequence[str], places: Sequence[str]) -> str:
    a, b = draw.between(11, 89), draw.between(11, 89)
    place, other = draw.sample(places, 2)
    return draw.pick(forms).format(place=place, other=other, a=a, b=b, sum=a + b)


def passage(draw: Draw) -> str:
    """Return the passage that several pages carry word for word."""
    return " ".join(_between(draw, [notice], PLACES) for notice in draw.sample(NOTICES, SENTENCES_PER_PASSAGE))


def read_again(draw: Draw) -> str:
    """Return a sentence that makes a near-duplicate of an article: about seven new shingles against 140 shared ones."""
    return f" This page was read again in {draw.pick(PLACES)} on day {draw.between(11, 89)}."
