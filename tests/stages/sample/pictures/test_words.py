"""Words: numbers with measure words, plurals, and a Chinese word for every value."""

from __future__ import annotations

from stages.sample.pictures.scenes import MANY, PATTERNS, SIDES
from stages.sample.pictures.words import counted, named, number_words, word
from stages.sample.world import ATTRIBUTES


def test_numbers_have_the_measure_word_of_the_animal() -> None:
    assert [counted(2, animal, "zh") for animal in ("fox", "horse")] == ["两只", "两匹"]
    assert counted(8, "fox", "en") == "eight"
    assert len(number_words("en")) == MANY and len(number_words("zh")) == 2 * MANY
    assert counted(5, "horse", "zh") in number_words("zh")


def test_nouns_follow_the_count() -> None:
    assert [named(animal, count) for animal, count in (("wolf", 1), ("wolf", 2), ("fox", 3), ("hare", 2))] == [
        *("wolf", "wolves"),
        *("foxes", "hares"),
    ]


def test_every_value_has_a_chinese_word_of_its_own() -> None:
    values = [*ATTRIBUTES["animal"], *ATTRIBUTES["colour"], *ATTRIBUTES["price"], *SIDES, *PATTERNS]
    assert len({word(value, "zh") for value in values}) == len(values)
    assert all(word(value, "en") == value for value in values)
