import pytest

from stages.shared.errors import ConfigError, DataError
from stages.web import stop_words
from stages.web.measures import measure
from stages.web.stop_words import FUNCTION_WORDS, STOP_WORDS, StopWords, read_list
from stages.web.words import words


def test_gopher_has_its_own_eight_words() -> None:
    assert sorted(read_list(STOP_WORDS)["en"]) == sorted(["the", "be", "to", "of", "and", "that", "have", "with"])


@pytest.mark.parametrize("name", [STOP_WORDS, FUNCTION_WORDS])
def test_every_entry_is_found_in_a_text(name: str) -> None:
    for language, entries in read_list(name).items():
        assert len(entries) == len(set(entries)), language
        for entry in entries:
            assert entry == entry.lower()
            assert words(entry) == [entry] or (len(entry) == 2 and words(entry) == [*entry]), entry


def test_common_languages_have_lists() -> None:
    spaced = {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru"}
    assert spaced <= set(read_list(STOP_WORDS))
    assert {*spaced, "zh", "ja"} <= set(read_list(FUNCTION_WORDS))


def test_own_words_replace_those_of_their_language_only() -> None:
    lists = StopWords({"en": ("House", "mouse"), "xx": ("one",)})
    assert measure("house the of", "en", lists=lists)["stop_words"] == 1
    assert measure("one house", "xx", lists=lists)["stop_words"] == 1
    assert measure("der die das", "de", lists=lists)["stop_words"] == 3
    assert measure("x", "yy", lists=lists)["stop_words"] == -1


def test_a_list_that_is_too_long_to_count_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stop_words\.en = 65"):
        StopWords({"en": [f"word{number}" for number in range(65)]})


def test_a_line_without_a_language_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "own.txt").write_text("en: the\n\n# more\nof and\n")
    monkeypatch.setattr(stop_words, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"own\.txt:4"):
        read_list("own.txt")
