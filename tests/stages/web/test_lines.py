import pytest
from datatrove.data import Document

from stages.web.blocks import step_count
from stages.web.lines import LineCorrection
from stages.web.settings import LineSettings

PROSE = "The hills were quiet and the river was wide on that long and sunny day in the north."


@pytest.mark.parametrize(
    "line",
    [
        *("3 likes", "1 like", "3likes", "12.4K followers", "1,024 Shares", "(5 comments)", "2 M views"),
        *("BUY NOW AND SAVE", "SUBSCRIBE To OUR LIST", "1234 5678", "12/11/2020 10:30", "Home", "***", "- 5 -"),
        *("Read more...", "Sign in", "READ MORE", "sign-in »", "3 items in cart"),
    ],
)
def test_lines_that_are_no_prose_go(line: str) -> None:
    assert LineCorrection(LineSettings()).correct(line) is None


@pytest.mark.parametrize(
    "line",
    [
        *(PROSE, "", "   ", "He likes it.", "3 likes of mine", "NASA and ESA sent two probes to the moon", "A b"),
        "We read more books than others, and we sign in with a pen, which has no items in cart",
    ],
)
def test_prose_stays_as_it_is(line: str) -> None:
    assert LineCorrection(LineSettings()).correct(line) == line


@pytest.mark.parametrize(
    ("line", "edited"),
    [
        ("The bridge is closed. Read more...", "The bridge is closed."),
        ("Sign in to write a letter", "to write a letter"),
        ("You have items in cart today", "You have  today"),
    ],
)
def test_phrases_are_cut_from_short_lines(line: str, edited: str) -> None:
    assert LineCorrection(LineSettings()).correct(line) == edited
    long = f"{line} {PROSE}"
    assert LineCorrection(LineSettings()).correct(long) == long


@pytest.mark.parametrize(("num_good", "reason"), [(38, None), (37, "too_many_words_removed")])
def test_a_page_may_lose_one_word_in_twenty(num_good: int, reason: str | None) -> None:
    doc = Document(text=" ".join(["word"] * num_good) + "\n3 likes", id="")
    assert LineCorrection(LineSettings()).reason(doc) == reason


def test_what_is_left_is_counted_and_has_its_paragraphs() -> None:
    block = LineCorrection(LineSettings(max_removed_words=0.5))
    (doc,) = block.run(iter([Document(text=f"{PROSE}\n\n3 likes\n{PROSE} No.\nMore\nYou read more", id="")]))
    assert doc.text == f"{PROSE}\n\n{PROSE} No."
    assert step_count(block).notes == {"lines_changed": 3, "pages_changed": 1}


def test_a_page_of_nothing_but_junk_is_dropped() -> None:
    doc = Document(text="3 likes\n4 shares", id="")
    assert LineCorrection(LineSettings(max_removed_words=1)).reason(doc) == "too_many_words_removed"


def test_a_very_long_line_does_not_hang() -> None:
    assert LineCorrection(LineSettings()).correct("1," * 100_000) is None
