"""Captions of a scene in English and Chinese, the words that a caption of it has to name, and notes without grammar."""

from __future__ import annotations

from stages.sample.config import Language
from stages.sample.draw import Draw
from stages.sample.pictures.scenes import OPPOSITE, Animals, Flag, Pair, Scene, Stall
from stages.sample.pictures.words import PLURALS, counted, named, unit, word

DESCRIBE: dict[Language, tuple[str, ...]] = {
    "en": ("Describe the picture.", "What does the picture show?", "Write a caption for the picture."),
    "zh": ("说说图里有什么。", "描述这张图。", "给这张图写一句说明。"),
}
"""Requests for a caption."""
_BESIDE = {"left": "to the left of", "right": "to the right of", "top": "above", "bottom": "below"}
_ANIMALS: dict[Language, tuple[str, ...]] = {
    "en": ("The picture shows {count}{colour} {animals}.", "There {be} {count}{colour} {animals} in the picture."),
    "zh": ("图里有{count}{colour}{animal}。", "这张图画着{count}{colour}{animal}。"),
}
_AT: dict[Language, tuple[str, ...]] = {
    "en": (
        "At the {side} of the picture is {count}{colour} {animals}.",
        "There is {count}{colour} {animals} at the {side}.",
    ),
    "zh": ("图的{side}有{count}{colour}{animal}。", "{side}画着{count}{colour}{animal}。"),
}
_PAIR: dict[Language, tuple[str, ...]] = {
    "en": ("The picture shows {first} {beside} {second}.", "There is {first} {beside} {second}."),
    "zh": ("{first}在{second}的{side}。", "图里{second}的{side}是{first}。"),
}
_FLAG: dict[Language, tuple[str, ...]] = {
    "en": ("The picture shows a{colour} flag with a{second} {pattern}.", "A{second} {pattern} is on a{colour} flag."),
    "zh": ("图里是一面{colour}旗，旗上有{second}{pattern}。", "一面{colour}旗上有{second}{pattern}。"),
}
_STALL: dict[Language, tuple[str, ...]] = {
    "en": (
        "The picture shows a stall with a{colour} roof, where bread costs {price} coins.",
        "Bread costs {price} coins at the stall with a{colour} roof.",
    ),
    "zh": ("图里是有{colour}顶的摊位，面包要{price}铜钱。", "有{colour}顶的摊位卖面包，要{price}铜钱。"),
}

_FLAG_WORD: dict[Language, str] = {"en": "flag", "zh": "旗子"}


def caption(scene: Scene, is_grey: bool, language: Language, draw: Draw) -> str:
    """Return a caption; that of a grey picture names no colour."""
    match scene:
        case Animals():
            forms, blanks = (_AT if scene.side else _ANIMALS), _of_animals(scene, is_grey, language)
        case Pair():
            forms, blanks = _PAIR, _of_pair(scene, is_grey, language)
        case Flag():
            forms, blanks = _FLAG, _of_flag(scene, is_grey, language)
        case Stall():
            colour = _colour(scene.colour, is_grey, language)
            forms, blanks = _STALL, {"colour": colour, "price": word(scene.price, language)}
    return draw.pick(forms[language]).format(**blanks)


def wanted(scene: Scene, language: Language) -> list[list[str]]:
    """Return the words that a caption of a picture in colours names: one of each list."""
    match scene:
        case Animals():
            return [[word(scene.colour, language)], _nouns(scene.animal, language)]
        case Pair():
            animals = [_nouns(animal, language) for animal in scene.animals]
            return [*([word(colour, language)] for colour in scene.colours), *animals]
        case Flag():
            return [[word(each, language)] for each in (scene.colour, scene.second, scene.pattern)]
        case Stall():
            return [[word(each, language)] for each in (scene.colour, scene.price)]


def notes(scene: Scene, language: Language, draw: Draw) -> str:
    """Return what a picture shows as words alone. Those of a thing stand together, in a drawn order."""
    match scene:
        case Animals():
            things = [[counted(scene.count, scene.animal, language), *_words(language, scene.colour, scene.animal)]]
            things[0] += [word(scene.side, language)] if scene.side else []
        case Pair():
            sides = (scene.side, OPPOSITE[scene.side])
            found = zip(scene.animals, scene.colours, sides, strict=True)
            things = [_words(language, *each) for each in found]
        case Flag():
            things = [
                [_FLAG_WORD[language], word(scene.colour, language)],
                _words(language, scene.pattern, scene.second),
            ]
        case Stall():
            things = [_words(language, scene.colour, scene.price)]
    before, between = (", ", " ") if language == "en" else ("，", "")
    return before.join(between.join(draw.shuffled(each)) for each in draw.shuffled(things))


def _words(language: Language, *values: str) -> list[str]:
    return [word(each, language) for each in values]


def _nouns(animal: str, language: Language) -> list[str]:
    return [animal, PLURALS[animal]] if language == "en" else [word(animal, language)]


def _of_animals(scene: Animals, is_grey: bool, language: Language) -> dict[str, str]:
    return {
        "count": counted(scene.count, scene.animal, language),
        "colour": _colour(scene.colour, is_grey, language),
        "animals": named(scene.animal, scene.count),
        "animal": word(scene.animal, language),
        "be": "is" if scene.count == 1 else "are",
        "side": word(scene.side, language) if scene.side else "",
    }


def _of_pair(scene: Pair, is_grey: bool, language: Language) -> dict[str, str]:
    first, second = (
        _one(animal, _colour(colour, is_grey, language), language)
        for animal, colour in zip(scene.animals, scene.colours, strict=True)
    )
    return {"first": first, "second": second, "beside": _BESIDE[scene.side], "side": word(scene.side, language)}


def _one(animal: str, colour: str, language: Language) -> str:
    return f"a{colour} {animal}" if language == "en" else f"一{unit(animal)}{colour}{word(animal, language)}"


def _of_flag(scene: Flag, is_grey: bool, language: Language) -> dict[str, str]:
    colour, second = (_colour(each, is_grey, language) for each in (scene.colour, scene.second))
    return {"colour": colour, "second": second, "pattern": word(scene.pattern, language)}


def _colour(colour: str, is_grey: bool, language: Language) -> str:
    """Return a colour as it stands before a noun, with what separates it; nothing for a grey picture."""
    if is_grey:
        return ""
    return f" {colour}" if language == "en" else f"{word(colour, language)}的"
