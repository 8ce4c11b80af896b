import random
import re

import pytest

from stages.web.extract.cleaning import URL, Cleaner
from stages.web.settings import ExtractionSettings

CLEANER = Cleaner(ExtractionSettings())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n\n\nb", "a\n\nb"),
        ("a \r\n\t b  ", "a\nb"),
        ("see https://a.example/x?y=1, www.b.example and FTP://c", "see   and"),
        ("an e.g. and 3.5 stay", "an e.g. and 3.5 stay"),
        ("", ""),
        ("https://a.example", ""),
    ],
)
def test_texts_are_cleaned(text: str, expected: str) -> None:
    assert CLEANER.clean(text) == expected


def test_addresses_stay_if_asked() -> None:
    assert Cleaner(ExtractionSettings(remove_urls=False)).clean("see www.b.example") == "see www.b.example"


def test_as_many_newlines_stay_as_asked() -> None:
    assert Cleaner(ExtractionSettings(max_newlines=1)).clean("a\n\nb\n \n \nc") == "a\nb\nc"


def test_lines_are_trimmed_as_one_expression_over_the_text_would() -> None:
    spaces = re.compile(r"[ \t\u00a0]+(?=\n|$)|(?<=\n)[ \t]+")
    draw = random.Random(1)
    for _ in range(3_000):
        text = "".join(draw.choices(" \t\u00a0\n\rab", k=draw.randrange(14)))
        plain = text.replace("\r\n", "\n").replace("\r", "\n")
        assert CLEANER.clean(text) == re.sub("\n{3,}", "\n\n", spaces.sub("", plain)).strip(), repr(text)


def test_the_quick_look_for_addresses_misses_none() -> None:
    for text in ("HTTPS://a", "x WWW.a.b", "ftp://c", "wWw.d"):
        assert URL.search(text)
        assert CLEANER.clean(text) in ("", "x")
