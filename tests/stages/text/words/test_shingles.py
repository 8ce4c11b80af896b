import numpy as np

from stages.text.words.shingles import shingles
from stages.text.words.tokens import word_hashes

SEED = np.uint64(1)


def grams(text: str, ngram: int = 5, seed: np.uint64 = SEED) -> list[int]:
    return shingles(word_hashes(text), ngram, seed).tolist()


def test_shingles_are_word_ngrams_without_case_and_punctuation() -> None:
    assert grams("One two, three FOUR five!") == grams("one two three four five")
    assert len(grams("one two three four five six")) == 2
    assert grams("one two three four five six")[1:] == grams("two three four five six")


def test_repeated_ngrams_are_there_each_time() -> None:
    assert len(grams("a a a a a a a a")) == 4
    assert len(set(grams("a a a a a a a a"))) == 1


def test_the_order_of_the_words_counts() -> None:
    assert grams("one two three four five") != grams("five four three two one")
    assert grams("one two", 2) != grams("two one", 2)


def test_a_text_shorter_than_an_ngram_is_one_shingle() -> None:
    assert len(grams("short")) == len(grams("")) == 1
    assert len({grams(text)[0] for text in ("", "short", "other", "short other", "short short")}) == 5


def test_chinese_characters_are_words() -> None:
    assert len(grams("这只猫住在红房子里")) == 5


def test_another_seed_gives_other_hashes() -> None:
    assert not set(grams("one two three four five six", seed=np.uint64(2))) & set(grams("one two three four five six"))


def test_no_hashes_collide_among_many_ngrams() -> None:
    random = np.random.default_rng(1)
    words = random.integers(0, 2**64, 300_000, dtype=np.uint64)
    assert len(np.unique(shingles(words, 5, SEED))) == 300_000 - 4
