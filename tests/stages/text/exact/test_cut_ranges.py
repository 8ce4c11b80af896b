import random

import numpy as np
import pytest
from datatrove.data import Document

from stages.text.blocks.gate import step_count
from stages.text.exact.cut_ranges import SubstringCut, cut_text
from stages.text.words.tokens import tokens

TEXT = "One two, three.\n\nFour five six.\nSeven eight."


@pytest.mark.parametrize(
    ("ranges", "left"),
    [
        ([], TEXT),
        ([(0, 12)], ""),
        ([(0, 5)], "Four five six.\nSeven eight."),
        ([(5, 12)], "One two, three."),
        ([(1, 3)], "One three.\n\nFour five six.\nSeven eight."),
        ([(3, 6)], "One two,\n\nfive six.\nSeven eight."),
        ([(5, 9)], "One two, three.\n\nSeven eight."),
        ([(6, 10)], "One two, three.\n\nFour\neight."),
        ([(0, 1), (4, 6), (11, 12)], "two, three\n\nfive six.\nSeven eight"),
    ],
)
def test_what_is_left_is_as_far_apart_as_it_was(ranges: list[tuple[int, int]], left: str) -> None:
    assert cut_text(TEXT, ranges) == left


def test_words_are_not_glued_where_the_text_had_no_space() -> None:
    assert cut_text("over(under)out", [(1, 4)]) == "over out"
    assert cut_text("a-b-c", [(1, 4)]) == "a c"


def test_scripts_without_spaces_need_none() -> None:
    assert cut_text("今天天气很好。我们去公园。", [(2, 7)]) == "今天我们去公园。"
    assert cut_text("今天 天气很好。", [(2, 4)]) == "今天 很好。"


def test_no_more_than_one_empty_line_is_left() -> None:
    assert cut_text("a\n\n\nb\n\n\n\nc", [(1, 2)]) == "a\n\nc"


def test_the_tokens_that_stay_are_the_same_whatever_is_cut() -> None:
    draw = random.Random(0)
    alphabet = [*"abc'’-. \né中文ไ\u200b\U0001f6009", "  ", "\n\n", "e\u0301"]
    for _ in range(2_000):
        text = "".join(draw.choices(alphabet, k=draw.randrange(1, 30)))
        words = tokens(text)
        bounds = sorted(draw.sample(range(len(words) + 1), k=min(len(words) + 1, 2 * draw.randrange(3)) // 2 * 2))
        ranges = list(zip(bounds[::2], bounds[1::2], strict=True))
        kept = [word for place, word in enumerate(words) if not any(a <= place < b for a, b in ranges)]
        assert tokens(cut_text(text, ranges)) == kept, (text, ranges)


def test_a_document_of_20_mb_is_cut() -> None:
    text = "word and word. " * 1_400_000
    assert len(text) > 20_000_000
    assert cut_text(text, [(4, 5_599_996)]) == "word and word. word and word. "


def documents(*texts: str) -> list[Document]:
    return [Document(text=text, id=str(n), metadata={"number": n}) for n, text in enumerate(texts)]


def test_the_block_cuts_drops_and_counts() -> None:
    block = SubstringCut({0: np.array([[0, 5]]), 1: np.array([[0, 11]])}, {1})
    passed = list(block.run(documents(TEXT, TEXT, TEXT)))
    assert [doc.text for doc in passed] == ["Four five six.\nSeven eight.", TEXT]
    count = step_count(block)
    assert (count.pages_in, count.pages_out) == (3, 2)
    assert count.reasons == {"too_short_after_cut": 1}
    assert count.notes == {"documents_cut": 1, "spans_cut": 1, "tokens_cut": 5}
    assert count.bytes == len(TEXT) + len("Four five six.\nSeven eight.")


def test_the_number_of_tokens_is_known_after_the_cut() -> None:
    (passed,) = SubstringCut({0: np.array([[1, 3]])}, set()).run(documents(TEXT))
    assert passed.metadata["token_count"] == len(tokens(passed.text)) == len(tokens(TEXT)) - 2
