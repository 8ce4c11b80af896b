import pytest
from datatrove.data import Document

from stages.web.quality import QualityFilter
from stages.web.settings import QualitySettings

STOP = "the of "


def reason(text: str, language: str = "en", **settings: object) -> str | None:
    doc = Document(text=text, id="", metadata={"language": language})
    return QualityFilter(QualitySettings(**settings)).reason(doc)


def repeated(word: str, count: int) -> str:
    return STOP + " ".join([word] * (count - 2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (repeated("house", 49), "too_few_words"),
        (repeated("house", 50), None),
        (repeated("house", 49) + " , . ! ?", "too_few_words"),
        (repeated("house", 100_000), None),
        (repeated("house", 100_001), "too_many_words"),
        (repeated("ab", 50), "short_words"),
        ("the that " + " ".join(["abc"] * 58), None),
        (repeated("a" * 10, 60), None),
        (repeated("a" * 11, 60), "long_words"),
        (repeated("house", 100) + " #" * 10, None),
        (repeated("house", 100) + " #" * 11, "hashes"),
        (repeated("house", 100) + "…" * 10 + " .", None),
        (repeated("house", 100) + "… " * 6 + "... " * 5 + "x", "ellipses"),
        (repeated("house", 60) + "\n- a b" * 9, None),
        (repeated("house", 60) + "\n• a b" * 10, "bullet_lines"),
        ("\n".join([repeated("house", 20)] * 7 + ["and then..."] * 3), None),
        ("\n".join([repeated("house", 20)] * 6 + ["and then …"] * 3), "ellipsis_lines"),
        (repeated("house", 80) + " 1234" * 20, None),
        (repeated("house", 80) + " 1234" * 21, "few_alphabetic_words"),
        ("the " + " ".join(["house"] * 60), "few_stop_words"),
        ("The OF " + " ".join(["house"] * 60), None),
    ],
)
def test_each_rule_at_its_limit(text: str, expected: str | None) -> None:
    assert reason(text) == expected


def test_a_language_without_a_list_has_no_stop_word_rule() -> None:
    text = " ".join(["haus"] * 60)
    assert reason(text, "de") is None
    assert reason(text, "de", stop_words={"de": ("der", "und")}) == "few_stop_words"
    assert reason(text, "en", min_stop_words=0) is None


def test_a_text_without_words_is_too_short() -> None:
    assert reason("...") == "too_few_words"
