import pytest

from stages.web.words import tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, it’s 5.", ["Don't", "stop", "it’s", "5"]),
        ("Zürich, Αθήνα и Москва!", ["Zürich", "Αθήνα", "и", "Москва"]),
        ("... -- #tag", ["tag"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


def test_tokens_have_punctuation_marks_one_by_one() -> None:
    assert list(tokens("Well... (yes)")) == ["Well", ".", ".", ".", "(", "yes", ")"]
