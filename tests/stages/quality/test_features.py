"""Features against fastText's own reading of a model."""

from __future__ import annotations

import pytest

from stages.quality.features import END, Vocabulary, hash_word, plain, split


@pytest.mark.parametrize(("word", "expected"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_words_have_their_published_fnv_hashes(word: str, expected: int) -> None:
    assert hash_word(word) == expected - 2**32


def test_bytes_above_127_are_negative_as_in_fasttext() -> None:
    value = 2166136261
    for byte in "é".encode():
        value = ((value ^ ((byte - 256) & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    assert hash_word("é") == value - (2**32 if value >= 2**31 else 0)


def test_a_vocabulary_is_in_order_of_frequency_and_rare_words_share_pairs_alone() -> None:
    vocabulary = Vocabulary.of(["b a b", "b c"], min_count=2, buckets=10)
    assert vocabulary.words == {"b": 0, END: 1}
    assert vocabulary.counts == [3, 2]
    found = vocabulary.features("b c").tolist()
    assert found[:2] == [0, 1]
    assert all(2 <= row < 12 for row in found[2:])
    assert len(found) == 4, "two words with a row, and the pairs b c and c </s>"


def test_texts_become_one_line() -> None:
    assert plain("one\ntwo\n") == "one two"
    assert split("多佛的bread, 12") == "多 佛 的 bread , 12"
