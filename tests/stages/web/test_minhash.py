import math

import numpy as np
import pytest

from stages.sample.draw import Draw
from stages.sample.prose import article
from stages.sample.world import make_world
from stages.web.minhash import MinHash, jaccard, shingles
from stages.web.settings import match_probability

REFINEDWEB, FINEWEB = MinHash(450, 20, seed=1), MinHash(14, 8, seed=1)


def sets(similarity: float, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of hashes with about the given Jaccard similarity."""
    random = np.random.default_rng(seed)
    shared = round(2 * size * similarity / (1 + similarity))
    values = random.integers(0, 2**64, size=2 * size, dtype=np.uint64)
    return np.sort(values[:size]), np.sort(np.concatenate([values[:shared], values[size : 2 * size - shared]]))


def test_shingles_are_word_ngrams_without_case_and_punctuation() -> None:
    assert np.array_equal(shingles("One two, three FOUR five!", 5), shingles("one two three four five", 5))
    assert len(shingles("one two three four five six", 5)) == 2
    assert len(shingles("a a a a a a a a", 5)) == 1
    assert len(shingles("short", 5)) == len(shingles("", 5)) == 1
    assert not np.array_equal(shingles("short", 5), shingles("other", 5))


@pytest.mark.parametrize("similarity", [0.1, 0.5, 0.8, 0.95])
def test_the_share_of_equal_minima_is_the_jaccard_similarity(similarity: float) -> None:
    a, b = sets(similarity, 500, seed=7)
    exact = jaccard(a, b)
    estimate = float(np.mean(REFINEDWEB.minima(a) == REFINEDWEB.minima(b)))
    assert estimate == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 9_000))


@pytest.mark.parametrize(("minhash", "similarity"), [(FINEWEB, 0.6), (FINEWEB, 0.75), (REFINEDWEB, 0.72)])
def test_pairs_become_candidates_as_often_as_the_formula_says(minhash: MinHash, similarity: float) -> None:
    pairs = [sets(similarity, 150, seed) for seed in range(150)]
    found = np.mean([bool((minhash.bands(a) == minhash.bands(b)).any()) for a, b in pairs])
    expected = np.mean([match_probability(jaccard(a, b), *minhash.shape) for a, b in pairs])
    assert found == pytest.approx(expected, abs=4 * math.sqrt(0.25 / len(pairs)))


def test_equal_texts_agree_in_every_bucket_and_others_in_none() -> None:
    a, b = sets(0.0, 200, seed=3)
    assert np.array_equal(REFINEDWEB.bands(a), REFINEDWEB.bands(a.copy()))
    assert not (REFINEDWEB.bands(a) == REFINEDWEB.bands(b)).any()


def test_signatures_are_the_same_for_ever_and_depend_on_the_seed() -> None:
    hashes = shingles("the quick brown fox jumps over the lazy dog", 5)
    assert FINEWEB.bands(hashes)[:2].tolist() == [13839414521826903971, 15169801479005168521]
    assert not (MinHash(14, 8, seed=2).bands(hashes) == FINEWEB.bands(hashes)).any()


def test_long_texts_are_done_in_parts_with_the_same_result() -> None:
    a, _ = sets(0.5, 5_000, seed=5)
    whole = (np.multiply.outer(a, FINEWEB._factors) + FINEWEB._offsets).min(axis=0)
    assert np.array_equal(MinHash(14, 8, seed=1).minima(a), whole)
    long = np.sort(np.random.default_rng(1).integers(0, 2**64, size=30_000, dtype=np.uint64))
    parts = np.minimum(FINEWEB.minima(long[:11_000]), FINEWEB.minima(long[11_000:]))
    assert np.array_equal(FINEWEB.minima(long), parts)


def test_different_articles_of_the_sample_are_far_apart_and_its_copies_close() -> None:
    world = make_world(1)
    texts = ["\n".join(article(world, Draw("article", 1, number))[1]) for number in range(400)]
    hashes = [shingles(text, 5) for text in texts]
    closest = max(jaccard(hashes[0], other) for other in hashes[1:])
    assert closest < 0.3
    edited = shingles(texts[0] + " This page was read again in Wells on day 45.", 5)
    assert jaccard(hashes[0], edited) > 0.9
