"""The words for what pictures show, in English and Chinese."""

from __future__ import annotations

from stages.sample.chinese import VALUES
from stages.sample.config import Language
from stages.sample.pictures.scenes import MANY

PLURALS = {name: f"{name}s" for name in VALUES["animal"]} | {"fox": "foxes", "wolf": "wolves"}
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
CHINESE_COUNTS = "一两三四五六七八"
UNITS = ("只", "匹")
"""Measure words of animals; the second is that of horses."""
TRUE: dict[Language, tuple[str, str]] = {"en": ("yes", "no"), "zh": ("对", "错")}
_CHINESE: dict[str, str] = {
    **VALUES["animal"],
    **VALUES["colour"],
    **VALUES["price"],
    **{"left": "左边", "right": "右边", "top": "上面", "bottom": "下面"},
    **{"cross": "十字", "disc": "圆", "stripe": "横条", "diagonal": "斜条", "border": "边框", "triangle": "三角"},
}


def word(value: str, language: Language) -> str:
    """Return the word for an animal, a colour, a price, a side or a pattern."""
    return value if language == "en" else _CHINESE[value]


def counted(count: int, animal: str, language: Language) -> str:
    """Return a number, in Chinese with the animal's measure word."""
    return COUNTS[count - 1] if language == "en" else f"{CHINESE_COUNTS[count - 1]}{unit(animal)}"


def unit(animal: str) -> str:
    """Return an animal's measure word."""
    return UNITS[animal == "horse"]


def named(animal: str, count: int) -> str:
    """Return the English noun for so many animals."""
    return animal if count == 1 else PLURALS[animal]


def number_words(language: Language) -> tuple[str, ...]:
    """Return all that `counted` returns."""
    if language == "en":
        return COUNTS
    return tuple(f"{number}{each}" for number in CHINESE_COUNTS[:MANY] for each in UNITS)
