"""Hashes of words, and n-grams against a search by words."""

from __future__ import annotations

import numpy as np
import pytest

from stages.text.overlap.grams import grams_of, matches
from stages.text.overlap.index import word_hashes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don't panic!", "dont  PANIC"),
        ("don’t panic", "don't, panic"),
        ("Ｐｒｉｃｅ １２", "price 12"),
        ("价格：十二。", "价格 十二"),
        ("a-b", "a b"),
    ],
)
def test_case_width_and_punctuation_count_for_nothing(one: str, other: str) -> None:
    assert word_hashes(one)[0].tolist() == word_hashes(other)[0].tolist()


@pytest.mark.parametrize(("one", "other"), [("ab", "ba"), ("a b", "ab"), ("12", "21"), ("price", "prices")])
def test_other_words_have_other_hashes(one: str, other: str) -> None:
    assert word_hashes(one)[0].tolist() != word_hashes(other)[0].tolist()


def test_an_n_gram_has_one_hash_wherever_it_stands() -> None:
    words = word_hashes("a b c d e a b c x")[0]
    found = grams_of(words, 3)
    assert len(found) == 7
    assert found[0] == found[5]
    assert len(set(found.tolist())) == 6
    assert grams_of(words[:3], 3)[0] == found[0]
    assert len(grams_of(words[:2], 3)) == 0
    assert grams_of(words, 2)[0] not in found


def test_matches_are_all_there_are_with_each_equal_n_gram() -> None:
    words = word_hashes(" ".join(["a b c", *(f"w{number}" for number in range(50)), "a b c"]))[0]
    gram = grams_of(words, 3)[0]
    grams = np.array(sorted([gram, gram, np.uint64(5)]), np.uint64)
    bits = np.full(4, 2**64 - 1, np.uint64)
    first = int(np.searchsorted(grams, gram))
    expected = [[0, 3, first], [0, 3, first + 1], [53, 3, first], [53, 3, first + 1]]
    assert matches(words, np.array([3]), grams, bits).tolist() == expected
