from pathlib import Path

import pytest

from stages.shared.errors import DataError
from stages.text import word_lists
from stages.text.word_lists import FUNCTION_WORDS, ROOM, STOP_WORDS, shipped_digest, words_by_language
from stages.text.words.tokens import words

DATA = Path(word_lists.__file__).parent / "data"


def test_every_list_that_ships_is_part_of_the_digest() -> None:
    assert {STOP_WORDS, FUNCTION_WORDS} == {path.name for path in DATA.iterdir()}


def test_the_digest_depends_on_the_lists_and_not_on_their_order() -> None:
    both = shipped_digest(ROOM, STOP_WORDS, FUNCTION_WORDS)
    assert both == shipped_digest(ROOM, FUNCTION_WORDS, STOP_WORDS) != shipped_digest(ROOM, STOP_WORDS)


def test_gopher_has_its_own_eight_words() -> None:
    assert sorted(words_by_language(STOP_WORDS)["en"]) == sorted(
        ["the", "be", "to", "of", "and", "that", "have", "with"]
    )


@pytest.mark.parametrize("name", [STOP_WORDS, FUNCTION_WORDS])
def test_every_entry_is_found_in_a_text(name: str) -> None:
    for language, entries in words_by_language(name).items():
        assert len(entries) == len(set(entries)), language
        for entry in entries:
            assert entry == entry.lower()
            assert words(entry) == [entry] or (len(entry) == 2 and words(entry) == [*entry]), entry


def test_common_languages_have_lists() -> None:
    spaced = {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru"}
    assert spaced <= set(words_by_language(STOP_WORDS))
    assert {*spaced, "zh", "ja"} <= set(words_by_language(FUNCTION_WORDS))


def test_a_line_without_a_language_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_lists, "shipped_text", lambda package, name: "en: the\n\n# more\nof and\n")
    with pytest.raises(DataError, match=r"stages/text/data/own\.txt:4: a line without a language code"):
        words_by_language("own.txt")
