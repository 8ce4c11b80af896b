"""Questions about a scene with their answers, in English and Chinese: free, with options, and to be confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stages.sample.config import Language
from stages.sample.draw import Draw
from stages.sample.pictures.scenes import (
    ANIMALS,
    COLOURS,
    FEW,
    MANY,
    OPPOSITE,
    PATTERNS,
    PRICES,
    SIDES,
    Animals,
    Flag,
    Pair,
    Scene,
    Stall,
)
from stages.sample.pictures.words import PLURALS, TRUE, counted, named, unit, word

Aspect = Literal["colour", "animal", "count", "many", "position", "price", "pattern"]
ASPECTS: tuple[Aspect, ...] = ("colour", "animal", "count", "many", "position", "price", "pattern")
NUM_OPTIONS = 4
Texts = dict[tuple[str, Language], tuple[str, ...]]
QUESTIONS: Texts = {
    ("colour", "en"): ("What colour {be} the {animals}?", "Name the colour of the {animals}."),
    ("colour", "zh"): ("{animal}是什么颜色？", "说说{animal}的颜色。"),
    ("ground", "en"): ("What colour is the flag?", "What is the main colour of the flag?"),
    ("ground", "zh"): ("旗子是什么颜色？", "旗子主要是什么颜色？"),
    ("second", "en"): ("What colour is the {pattern} on the flag?", "Name the colour of the {pattern} on the flag."),
    ("second", "zh"): ("旗上的{pattern}是什么颜色？", "说说旗上{pattern}的颜色。"),
    ("roof", "en"): ("What colour is the roof of the stall?", "Name the colour of the roof."),
    ("roof", "zh"): ("摊位的顶是什么颜色？", "说说摊位顶的颜色。"),
    ("animal", "en"): ("Which animal is in the picture?", "What animal does the picture show?"),
    ("animal", "zh"): ("图里是什么动物？", "图上画的是什么动物？"),
    ("count", "en"): ("How many {plural} are in the picture?", "Count the {plural}."),
    ("count", "zh"): ("图里有几{unit}{animal}？", "数数有几{unit}{animal}。"),
    ("position", "en"): ("Where is the {animal}?", "At which side of the picture is the {animal}?"),
    ("position", "zh"): ("{animal}在哪里？", "{animal}在图的哪一边？"),
    ("which", "en"): ("Which animal is at the {side}?", "What animal do you see at the {side}?"),
    ("which", "zh"): ("{side}是什么动物？", "{side}画的是什么动物？"),
    ("price", "en"): ("How many coins does the bread cost?", "What is the price of the bread?"),
    ("price", "zh"): ("面包要多少铜钱？", "面包的价钱是多少？"),
    ("pattern", "en"): ("What is on the flag?", "Which pattern has the flag?"),
    ("pattern", "zh"): ("旗上是什么图案？", "旗子有什么图案？"),
}
"""Wordings by subject: an aspect of one kind of scene."""
ANSWERS: dict[tuple[str, Language], str] = {
    ("colour", "en"): "The {animals} {be} {value}.",
    ("colour", "zh"): "{animal}是{value}的。",
    ("ground", "en"): "The flag is {value}.",
    ("ground", "zh"): "旗子是{value}的。",
    ("second", "en"): "The {pattern} on the flag is {value}.",
    ("second", "zh"): "旗上的{pattern}是{value}的。",
    ("roof", "en"): "The roof of the stall is {value}.",
    ("roof", "zh"): "摊位的顶是{value}的。",
    ("animal", "en"): "The animal in the picture is the {value}.",
    ("animal", "zh"): "图里的动物是{value}。",
    ("count", "en"): "There {be} {value} {animals}.",
    ("count", "zh"): "图里有{value}{animal}。",
    ("position", "en"): "The {animal} is at the {value}.",
    ("position", "zh"): "{animal}在{value}。",
    ("which", "en"): "The animal at the {side} is the {value}.",
    ("which", "zh"): "{side}是{value}。",
    ("price", "en"): "The bread costs {value} coins.",
    ("price", "zh"): "面包要{value}铜钱。",
    ("pattern", "en"): "The flag has a {value}.",
    ("pattern", "zh"): "旗上有{value}。",
}
WHETHER: dict[tuple[str, Language], str] = {
    ("animal", "en"): "Is there a {value} in the picture?",
    ("animal", "zh"): "对还是错：图里有{value}。",
    ("colour", "en"): "Is the colour of the {animals} {value}?",
    ("colour", "zh"): "对还是错：{animal}是{value}的。",
    ("ground", "en"): "Is the flag {value}?",
    ("ground", "zh"): "对还是错：旗子是{value}的。",
    ("second", "en"): "Is the {pattern} on the flag {value}?",
    ("second", "zh"): "对还是错：旗上的{pattern}是{value}的。",
    ("roof", "en"): "Is the roof of the stall {value}?",
    ("roof", "zh"): "对还是错：摊位的顶是{value}的。",
}
"""Questions to be confirmed or denied."""
OPTIONS: dict[Language, tuple[str, str, str]] = {"en": (" Options: ", ", ", "."), "zh": ("选项：", "、", "。")}


@dataclass(frozen=True)
class Asked:
    """Something that a picture answers."""

    aspect: Aspect
    subject: str
    value: str
    others: tuple[str, ...]
    """The values that are wrong."""
    blanks: Mapping[str, str] = field(default_factory=dict)
    """What the wordings name besides: an animal, its count, a side, a pattern."""
    near: tuple[str, ...] = ()
    """Wrong values that options always have, because the picture shows them elsewhere."""

    def word(self, value: str, language: Language) -> str:
        """Return the word for one of the values."""
        if self.subject == "count":
            return counted(int(value), self.blanks["animal"], language)
        return word(value, language)

    def filled(self, form: str, language: Language, value: str) -> str:
        """Return a wording with its blanks filled."""
        animal, count = self.blanks.get("animal", "hare"), int(self.blanks.get("count", "1"))
        return form.format(
            value=self.word(value, language),
            animal=word(animal, language),
            animals=named(animal, count),
            plural=PLURALS[animal],
            unit=unit(animal),
            be="is" if count == 1 else "are",
            **{name: word(self.blanks[name], language) for name in ("side", "pattern") if name in self.blanks},
        )


@dataclass(frozen=True)
class Question:
    """A question in a language."""

    text: str
    value: str
    """The right answer in the fewest words."""
    sentence: str
    """The right answer as people give it."""
    options: tuple[str, ...] = ()
    """The values offered, in a drawn order."""
    asks: str = ""
    """The value to be confirmed."""


def asked(scene: Scene, is_grey: bool) -> list[Asked]:
    """Return what a scene answers; a grey picture answers nothing about colours."""
    return [each for each in _asked(scene) if not (is_grey and each.aspect == "colour")]


def _asked(scene: Scene) -> Iterator[Asked]:
    match scene:
        case Animals():
            return _of_animals(scene)
        case Pair():
            return _of_pair(scene)
        case Flag():
            return _of_flag(scene)
        case Stall():
            return _of_stall(scene)


def free(about: Asked, language: Language, draw: Draw) -> Question:
    """Return a question whose answer is a sentence."""
    text = about.filled(draw.pick(QUESTIONS[about.subject, language]), language, about.value)
    sentence = about.filled(ANSWERS[about.subject, language], language, about.value)
    return Question(text=text, value=about.word(about.value, language), sentence=sentence)


def choice(about: Asked, language: Language, draw: Draw) -> Question:
    """Return a question with options, whose answer is one of them."""
    plain = free(about, language, draw)
    sure = (about.value, *about.near)
    wrong = draw.sample(_without(about.others, *sure), NUM_OPTIONS - len(sure))
    options = tuple(about.word(each, language) for each in draw.shuffled([*sure, *wrong]))
    before, between, after = OPTIONS[language]
    text = f"{plain.text}{before}{between.join(options)}{after}"
    return Question(text=text, value=plain.value, sentence=plain.value, options=options)


def whether(about: Asked, language: Language, draw: Draw) -> Question:
    """Return a question whose answer is yes or no, each as often. Its subject is one of WHETHER."""
    is_true = draw.chance(0.5)
    value = about.value if is_true else draw.pick(about.others)
    answer = TRUE[language][not is_true]
    text = about.filled(WHETHER[about.subject, language], language, value)
    return Question(text=text, value=answer, sentence=answer, options=TRUE[language], asks=about.word(value, language))


def _without(values: Sequence[str], *right: str) -> tuple[str, ...]:
    return tuple(each for each in values if each not in right)


def _of_animals(scene: Animals) -> Iterator[Asked]:
    blanks = {"animal": scene.animal, "count": str(scene.count)}
    yield Asked("colour", "colour", scene.colour, _without(COLOURS, scene.colour), blanks)
    yield Asked("animal", "animal", scene.animal, _without(ANIMALS, scene.animal))
    few = scene.count <= FEW
    counts = [str(count) for count in (range(1, FEW + 1) if few else range(FEW + 1, MANY + 1))]
    yield Asked("count" if few else "many", "count", str(scene.count), _without(counts, str(scene.count)), blanks)
    if scene.side is not None:
        yield Asked("position", "position", scene.side, _without(SIDES, scene.side), blanks)


def _of_pair(scene: Pair) -> Iterator[Asked]:
    sides = (scene.side, OPPOSITE[scene.side])
    for place, animal in enumerate(scene.animals):
        colour, other, elsewhere = scene.colours[place], scene.animals[1 - place], scene.colours[1 - place]
        about = {"animal": animal}
        yield Asked("colour", "colour", colour, _without(COLOURS, colour), about, near=(elsewhere,))
        side = {"side": sides[place]}
        yield Asked("position", "which", animal, _without(ANIMALS, animal), side, near=(other,))


def _of_flag(scene: Flag) -> Iterator[Asked]:
    pattern = {"pattern": scene.pattern}
    ground, second = scene.colour, scene.second
    yield Asked("colour", "ground", ground, _without(COLOURS, ground), near=(second,))
    yield Asked("colour", "second", second, _without(COLOURS, second), pattern, near=(ground,))
    yield Asked("pattern", "pattern", scene.pattern, _without(PATTERNS, scene.pattern))


def _of_stall(scene: Stall) -> Iterator[Asked]:
    yield Asked("colour", "roof", scene.colour, _without(COLOURS, scene.colour))
    yield Asked("price", "price", scene.price, _without(PRICES, scene.price))
