"""Words by language: English ones for every language, none of another one."""

from __future__ import annotations

import pytest

from stages.curated.wikipedia.languages import LANGUAGES, words_of


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_of_its_own_and_the_english_ones(language: str) -> None:
    english, own = words_of("en"), words_of(language)
    assert english.prefixes <= own.prefixes and english.tails <= own.tails
    if language not in ("en", "simple"):
        assert len(own.disambiguation) > len(english.disambiguation)
        assert len(own.tails) > len(english.tails)


def test_words_of_several_parts_have_their_spaces() -> None:
    assert "external links" in words_of("fr").tails
    assert "liens externes" in words_of("fr").tails
    assert "liens externes" not in words_of("de").tails
    assert words_of("xx") == words_of("en")
