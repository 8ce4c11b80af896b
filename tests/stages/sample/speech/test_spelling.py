"""Spelling: every word of the world has sounds, and no two words have the same."""

from __future__ import annotations

import pytest

from stages.sample.speech.phones import PHONES
from stages.sample.speech.sentences import all_words
from stages.sample.speech.spelling import _IRREGULAR, phones_of


def test_words_that_differ_sound_different_and_only_known_phones_are_used() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for word in sorted(all_words() - set("23456789")):
        phones = phones_of(word)
        assert phones and set(phones) <= set(PHONES), word
        assert phones not in seen, (word, seen[phones])
        seen[phones] = word


def test_no_exception_is_of_a_word_that_nobody_says() -> None:
    assert set(_IRREGULAR) - {"two", "three", "seven", "eight"} <= all_words()


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("make", "M EY K"),
        ("rope", "R OW P"),
        ("cheese", "CH IY S"),
        ("foxes", "F AA K S IH Z"),
        ("price", "P R AY S"),
        ("wells", "W EH L S"),
        ("quorn", "K W AO R N"),
        ("yarrow", "Y AA R OW"),
        ("5", "F AY V"),
        ("wolves", "W UH L V Z"),
    ],
)
def test_some_words_sound_as_people_say_them(word: str, phones: str) -> None:
    assert " ".join(phones_of(word)) == phones
