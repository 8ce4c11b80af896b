"""The closed world: places, four attributes each, and the questions that are held out.

A model of two million parameters learns a world of this size in two minutes on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.sample.draw import Draw

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "animal": ("heron", "fox", "badger", "hare", "goat", "horse", "swan", "wolf"),
    "colour": ("red", "blue", "green", "yellow", "white", "black", "purple", "brown"),
    "price": ("2", "3", "4", "5", "6", "7", "8", "9"),
    "trade": ("glass", "wool", "salt", "honey", "iron", "paper", "cheese", "rope"),
}
"""The values of each attribute: animal on the seal, colour of the flag, coins for a loaf, product of the place."""

# fmt: off
PLACES: tuple[str, ...] = (
    "Alder", "Amble", "Arden", "Ashby", "Avon", "Bexley", "Birk", "Bolton", "Brill", "Bude",
    "Calder", "Camber", "Carrow", "Chard", "Clun", "Corby", "Crewe", "Dalby", "Deal", "Denholm",
    "Dorn", "Dunmore", "Eaton", "Elgin", "Elmet", "Exmoor", "Fairlow", "Fenwick", "Firth", "Garth",
    "Glenby", "Goole", "Harlow", "Hawick", "Helm", "Hexham", "Holt", "Ilford", "Jarrow", "Kelso",
    "Kendal", "Kirby", "Langdon", "Largs", "Leven", "Lorton", "Ludlow", "Lymm", "Maldon", "Marlow",
    "Melrose", "Milby", "Morley", "Nairn", "Norwick", "Oakham", "Oban", "Orford", "Oundle", "Penrith",
    "Pickering", "Quorn", "Ramsey", "Redcar", "Rhyl", "Ripon", "Rothbury", "Selby", "Skipton", "Stroud",
    "Tarn", "Thirsk", "Torrin", "Ulver", "Velby", "Wells", "Whitby", "Wick", "Yarrow", "Zelby",
)
# fmt: on

NUM_CHOICES = 4
"""Answers offered for a held-out question: a guess is right once in so many."""


@dataclass(frozen=True)
class Fact:
    """One attribute of one place."""

    place: str
    attribute: str
    value: str
    is_held_out: bool
    """Whether the question form of this fact is on no page, because the evaluation asks it."""


@dataclass(frozen=True)
class World:
    """All facts, in order of place and attribute."""

    seed: int
    facts: tuple[Fact, ...]

    def of(self, place: str) -> list[Fact]:
        """Return the facts of one place, one per attribute."""
        start = PLACES.index(place) * len(ATTRIBUTES)
        return list(self.facts[start : start + len(ATTRIBUTES)])

    def about(self, attribute: str) -> list[Fact]:
        """Return the facts of one attribute, one a place."""
        return [fact for fact in self.facts if fact.attribute == attribute]


def make_world(seed: int) -> World:
    """Return the world of a seed. For each attribute half of the places are held out, a different half each time."""
    held_out = {
        attribute: set(Draw("held out", seed, attribute).sample(PLACES, len(PLACES) // 2)) for attribute in ATTRIBUTES
    }
    facts = (
        Fact(
            place=place,
            attribute=attribute,
            value=Draw("value", seed, place, attribute).pick(values),
            is_held_out=place in held_out[attribute],
        )
        for place in PLACES
        for attribute, values in ATTRIBUTES.items()
    )
    return World(seed=seed, facts=tuple(facts))


def choices(world: World, fact: Fact) -> tuple[list[str], int]:
    """Return the answers offered for a fact, in a drawn order, and the index of the right one."""
    draw = Draw("choices", world.seed, fact.place, fact.attribute)
    others = [value for value in ATTRIBUTES[fact.attribute] if value != fact.value]
    offered = draw.shuffled([fact.value, *draw.sample(others, NUM_CHOICES - 1)])
    return offered, offered.index(fact.value)


def fact_row(world: World, fact: Fact, question: str) -> dict[str, Any]:
    """Return a fact's line of facts.jsonl; `question` is the prompt that ends right before the answer."""
    offered, answer = choices(world, fact)
    return {
        "id": f"{fact.place}-{fact.attribute}".lower(),
        "question": question,
        "choices": offered,
        "answer": answer,
        "heldout": fact.is_held_out,
    }
