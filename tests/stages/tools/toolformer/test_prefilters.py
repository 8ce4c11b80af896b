from __future__ import annotations

import pytest

from stages.tools.toolformer.prefilters import can_calculate, has_date, has_foreign, stands_before


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("3 cats and 4 dogs are 7 animals", True),
        ("he paid 12 of 48, so 36 were left", True),
        ("of 1,000 people 250 came, a rate of 0.25", True),
        ("pages 3 9 11, the total of them", True),
        ("1 2 4 = x", True),
        ("in 1999, 2003 and 2017", False),
        ("3 cats and 4 dogs", False),
        ("", False),
        ("1 " + "word " * 120 + "2 " + "word " * 120 + "3", False),
        ("7 " + "word " * 40 + "3 " + "word " * 40 + "4", True),
    ],
)
def test_texts_with_numbers_that_belong_together_are_kept(text: str, keeps: bool) -> None:
    assert can_calculate(text, draw=0.5) == keeps


def test_one_in_a_hundred_of_the_other_texts_with_numbers_is_kept() -> None:
    assert can_calculate("in 1999, 2003 and 2017", draw=0.001)
    assert not can_calculate("no numbers", draw=0.001)


def test_a_calendar_needs_a_date_in_the_url() -> None:
    assert has_date("https://a.org/2023/01/30/")
    assert not has_date("https://a.org/about")


@pytest.mark.parametrize(("score", "keeps"), [(0.81, True), (0.8, False)])
def test_ten_tokens_that_are_surely_foreign_are_enough(score: float, keeps: bool) -> None:
    def language(piece: str) -> tuple[str, float]:
        return ("de", score) if "und" in piece else ("en", 1.0)

    assert has_foreign("word " * 10 + "und " * 10 + "word " * 5, language) == keeps
    assert not has_foreign("und " * 9, language)


def test_a_call_for_a_text_stands_before_it_and_not_behind() -> None:
    text = "He said: guten Tag. Then he left."
    assert stands_before(text, "guten Tag", text.index("guten"))
    assert not stands_before(text, "guten Tag", text.index("Then"))
    assert not stands_before(f"guten Tag {text}", "guten Tag", 12)
    assert not stands_before(text, "bonjour", 0)
