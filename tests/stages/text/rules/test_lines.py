import random

import pytest
from datatrove.data import Document

from stages.text.blocks.gate import step_count
from stages.text.rules.lines import COUNTER, COUNTER_CHARS, EDITS, LineCorrection
from stages.text.settings import LineSettings
from stages.text.words.tokens import words
from tests.stages.text.hostile import texts

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


@pytest.mark.parametrize(
    "row", ["| 1000 | 0.01 |", "| CPU | GPU | ", "  | a | |", "1000\t\t0.01", "|---|---|", "| 5 | 6 | 7 |"]
)
def test_rows_of_tables_stay(row: str) -> None:
    assert LineCorrection(LineSettings()).correct(row) == row


@pytest.mark.parametrize("line", ["|", "| 5 |", "\t1000", "12 13", "||", "},", "- 5\t", "| 12 likes |"])
def test_lines_that_are_no_rows_go_as_before(line: str) -> None:
    assert LineCorrection(LineSettings()).correct(line) is None


def test_the_first_line_keeps_its_indentation() -> None:
    text = "    one line of code with words\n" + "a line of good prose with many words\n" * 30 + "5 likes"
    doc = Document(text=text, id="")
    assert LineCorrection(LineSettings()).reason(doc) is None
    assert doc.text == text.removesuffix("\n5 likes")


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


@pytest.mark.parametrize(
    "line",
    [
        "123 次浏览",
        "阅读 1.2万",
        "评论(5)",
        "12人点赞",
        "3,000 條評論",
        "下载量：300次",
        "阅读全文",
        "查看更多 >>",
        "8848",
        "购",
    ],
)
def test_counters_and_buttons_in_chinese_go(line: str) -> None:
    assert LineCorrection(LineSettings()).correct(line) is None


@pytest.mark.parametrize(
    "line", ["他有三个孩子。", "下载速度很快", "2020年的评论很多", "请点击这里阅读说明书，然后查看更多图片和全文"]
)
def test_chinese_prose_stays_as_it_is(line: str) -> None:
    assert LineCorrection(LineSettings()).correct(line) == line


def test_a_button_after_chinese_prose_is_cut() -> None:
    assert LineCorrection(LineSettings()).correct("桥很老了 阅读全文") == "桥很老了"


def plain_correct(line: str, settings: LineSettings) -> str | None:
    """Return what becomes of a line, rule by rule, without looking ahead."""
    if not line.strip():
        return line
    letters = [char for char in line if char.isalpha()]
    is_row = (line.strip().startswith("|") and line.count("|") > 2) or "\t" in line.strip()
    shouts = sum(map(str.isupper, letters)) > settings.max_uppercase * len(letters)
    if not is_row and (len(words(line)) <= 1 or not letters or shouts):
        return None
    if COUNTER.fullmatch(line[: COUNTER_CHARS + 1]) and len(line) <= COUNTER_CHARS:
        return None
    edited = line
    for phrase in EDITS if len(words(line)) <= settings.max_edit_words else ():
        edited = phrase.sub("", edited)
    if edited == line:
        return line
    return edited.strip() if len(words(edited)) > 1 else None


PHRASES = (
    *(
        "SIGN IN",
        "ſign-in now",
        "Read More »",
        "read more",
        "2 items in cart",
        "Items In Cart",
        "3 likes",
        "1,2 K Views",
    ),
    *("HTML and CSS", "ǅ ǅa b", "x" * 200 + " 1", "1 " * 60 + "likes", "阅读全文", "١٢ likes", "a b", "Ⅷ Ⅷ"),
)


def test_looking_ahead_changes_nothing() -> None:
    draw = random.Random(11)
    settings = LineSettings(max_removed_words=1)
    for text in texts(seed=10, count=600):
        page = "\n".join(draw.sample([*text.split("\n")[:50], *PHRASES], draw.randint(1, 10)))
        doc = Document(text=page, id="")
        reason = LineCorrection(settings).reason(doc)
        corrected = [plain_correct(line, settings) for line in page.split("\n")]
        expected = "\n".join(line for line in corrected if line is not None).lstrip("\n").rstrip()
        assert (reason, doc.text) == ((None, expected) if expected else ("too_many_words_removed", page))


def test_white_space_alone_takes_no_time() -> None:
    line = "1" + " " * 200_000 + "x y"
    assert LineCorrection(LineSettings()).correct(line) == line
