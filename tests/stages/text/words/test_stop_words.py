import pytest

from stages.shared.errors import ConfigError
from stages.text.rules.measures import measure
from stages.text.words.stop_words import StopWords


def test_own_words_replace_those_of_their_language_only() -> None:
    lists = StopWords({"en": ("House", "mouse"), "xx": ("one",)})
    assert measure("house the of", "en", lists=lists)["stop_words"] == 1
    assert measure("one house", "xx", lists=lists)["stop_words"] == 1
    assert measure("der die das", "de", lists=lists)["stop_words"] == 3
    assert measure("x", "yy", lists=lists)["stop_words"] == -1


def test_a_list_that_is_too_long_to_count_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stop_words\.en = 65"):
        StopWords({"en": [f"word{number}" for number in range(65)]})
