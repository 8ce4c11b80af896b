"""Scenes, which the pictures of the world show: drawn from the seed, the purpose and the picture's number alone.

    animals   one to eight animals of a kind and a colour, a single one often at a side
    pair      two animals of different kinds and colours, side by side or one above the other
    flag      the flag of a place of the world: its colour, with a pattern of another one
    stall     a market stall: the colour of its roof, and the price of bread on its board

An exam has combinations that no other picture has: of colour, animal and count; of the two animals of a pair; of a
flag's colours and pattern; of roof and price. They are an eighth of all, and have each value about as often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import Literal

from stages.sample.draw import Draw
from stages.sample.world import ATTRIBUTES, PLACES, make_world

Purpose = Literal["captions", "questions", "notes", "exam"]
Side = Literal["left", "right", "top", "bottom"]
SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")
OPPOSITE: dict[Side, Side] = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
ANIMALS, COLOURS, PRICES = ATTRIBUTES["animal"], ATTRIBUTES["colour"], ATTRIBUTES["price"]
PATTERNS = ("cross", "disc", "stripe", "diagonal", "border", "triangle")
FEW = 4
"""Most animals of most pictures."""
MANY = 8
"""Most animals of a picture."""
ONE_IN = 8
"""One of so many combinations is in exams alone."""
AT_A_SIDE = 0.6
"""Share of the single animals that stand at a side."""


@dataclass(frozen=True)
class Animals:
    """Animals of one kind."""

    animal: str
    colour: str
    count: int
    side: Side | None = None
    """Where a single one stands; None: no side of its own."""


@dataclass(frozen=True)
class Pair:
    """Two animals."""

    animals: tuple[str, str]
    colours: tuple[str, str]
    side: Side
    """Where the first one is, seen from the second."""


@dataclass(frozen=True)
class Flag:
    """The flag of a place."""

    place: str
    colour: str
    pattern: str
    second: str
    """The pattern's colour."""


@dataclass(frozen=True)
class Stall:
    """A market stall."""

    colour: str
    """Of its roof."""
    price: str


Scene = Animals | Pair | Flag | Stall
Kind = Literal["few", "many", "pair", "flag", "stall"]
ORDER: tuple[Kind, ...] = (
    *("few", "pair", "few", "flag", "few", "many", "few", "stall", "few", "pair"),
    *("few", "stall", "few", "flag", "few", "pair", "few", "stall", "few", "many"),
)
"""Kinds of twenty pictures in a row."""


def scene(seed: int, purpose: Purpose, number: int) -> Scene:
    """Return what a picture shows. Pictures of a kind go through all of its combinations, in a drawn order."""
    kind = ORDER[number % len(ORDER)]
    place = number // len(ORDER) * ORDER.count(kind) + ORDER[: number % len(ORDER)].count(kind)
    pool = _pool(seed, kind, purpose == "exam")
    found = pool[_order(seed, purpose, kind, place // len(pool))[place % len(pool)]]
    draw = Draw("scene", seed, purpose, number)
    if isinstance(found, Animals) and found.count == 1 and draw.chance(AT_A_SIDE):
        return Animals(found.animal, found.colour, 1, draw.pick(SIDES))
    return found


@lru_cache(maxsize=64)
def _order(seed: int, purpose: Purpose, kind: Kind, turn: int) -> list[int]:
    """Return the order in which the combinations of a kind come; another one each time they come."""
    return Draw("order", seed, purpose, kind, turn).shuffled(range(len(_pool(seed, kind, purpose == "exam"))))


@cache
def _pool(seed: int, kind: Kind, is_exam: bool) -> tuple[Scene, ...]:
    """Return the combinations of a kind that are in exams, or all others."""
    shift = Draw("combinations", seed, kind).below(ONE_IN)
    combinations = _flags(seed) if kind == "flag" else _COMBINATIONS[kind]()
    return tuple(each for number, each in combinations if ((number + shift) % ONE_IN == 0) == is_exam)


def _few() -> Iterator[tuple[int, Scene]]:
    return _groups(range(1, FEW + 1))


def _many() -> Iterator[tuple[int, Scene]]:
    return _groups(range(FEW + 1, MANY + 1))


def _groups(counts: range) -> Iterator[tuple[int, Scene]]:
    """Yield groups of animals. A number of one remainder has each colour, and each animal, once for each count."""
    for (a, animal), (c, colour), count in product(enumerate(ANIMALS), enumerate(COLOURS), counts):
        yield a + c + 2 * count, Animals(animal, colour, count)


def _pairs() -> Iterator[tuple[int, Scene]]:
    """Yield pairs; what differs is which two animals meet. The number has them in either order."""
    for (a, first), (b, second) in product(enumerate(ANIMALS), repeat=2):
        if a == b:
            continue
        for (c, colour), other, side in product(enumerate(COLOURS), range(1, len(COLOURS)), SIDES):
            colours = (colour, COLOURS[(c + other) % len(COLOURS)])
            yield a + b, Pair((first, second), colours, side)


def _stalls() -> Iterator[tuple[int, Scene]]:
    for (c, colour), (p, price) in product(enumerate(COLOURS), enumerate(PRICES)):
        yield c + p, Stall(colour, price)


def _flags(seed: int) -> Iterator[tuple[int, Scene]]:
    """Yield the flags of the world's places, no two alike. A number has each pattern as often."""
    colours = {fact.place: fact.value for fact in make_world(seed).about("colour")}
    draw = Draw("flags", seed)
    seen: set[tuple[str, str, str]] = set()
    for number, place in enumerate(draw.shuffled(PLACES)):
        colour, turn = colours[place], number % len(PATTERNS)
        free = [
            (pattern, second)
            for pattern in (*PATTERNS[turn:], *PATTERNS[:turn])
            for second in COLOURS
            if second != colour and (colour, pattern, second) not in seen
        ]
        pattern = free[0][0]
        second = draw.pick([each for of, each in free if of == pattern])
        seen.add((colour, pattern, second))
        yield number // len(PATTERNS), Flag(place, colour, pattern, second)


_COMBINATIONS = {"few": _few, "many": _many, "pair": _pairs, "stall": _stalls}
