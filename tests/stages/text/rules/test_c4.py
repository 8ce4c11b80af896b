"""C4's rules, rule by rule."""

from __future__ import annotations

import pytest
from datatrove.data import Document

from stages.text.rules.c4 import C4Filter
from stages.text.settings import C4Settings

GOOD = "\n".join(f"This is sentence number {number} of a page." for number in range(6))


def judged(text: str, **settings: object) -> tuple[str | None, str]:
    doc = Document(text=text, id="1")
    return C4Filter(C4Settings.model_validate(settings)).reason(doc), doc.text


@pytest.mark.parametrize(
    ("extra", "left"),
    [
        ("Menu of the page", ""),
        ("Two words.", ""),
        ("Please enable JavaScript to go on.", ""),
        ("We have a privacy policy here for you.", ""),
        ("It ends with dots...", ""),
        ("It is known [12] and edited [edit] so.", "It is known  and edited  so."),
        ("这里有三个句子。", "这里有三个句子。"),
    ],
)
def test_lines_that_are_no_sentences_go(extra: str, left: str) -> None:
    assert judged(f"{GOOD}\n{extra}") == (None, f"{GOOD}\n{left}".rstrip("\n"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{GOOD}\nLorem ipsum dolor sit amet.", "lorem_ipsum"),
        (f"{GOOD}\nfunction() {{}}", "curly_bracket"),
        (f"{GOOD}\nThis is darn bad.", "bad_word"),
        ("One line is here.", "too_few_sentences"),
    ],
)
def test_pages_are_dropped_with_a_reason(text: str, reason: str) -> None:
    assert judged(text, bad_words=["darn"])[0] == reason
