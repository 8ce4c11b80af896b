import math

import numpy as np
import pytest

from stages.sample.draw import Draw
from stages.sample.prose import article
from stages.sample.world import make_world
from stages.text.dedup.minhash import MinHash, sketch
from stages.text.settings import match_probability
from stages.text.words.shingles import shingles
from stages.text.words.tokens import word_hashes

SEED = np.uint64(1)
SHAPES = {"refinedweb": (450, 20), "fineweb": (14, 8)}


def sets(random: np.random.Generator, similarity: float, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return two sets of hashes and their Jaccard similarity, which is about the one asked for."""
    shared = round(2 * size * similarity / (1 + similarity))
    values = random.integers(0, 2**64, size=2 * size - shared, dtype=np.uint64)
    return values[:size], np.concatenate([values[:shared], values[size:]]), shared / len(values)


def jaccard(a: str, b: str) -> float:
    """Return the exact similarity of two texts: 5-grams that they share, over all."""
    first, second = (set(shingles(word_hashes(text), 5, SEED).tolist()) for text in (a, b))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize("preset", sorted(SHAPES))
@pytest.mark.parametrize(("similarity", "pairs"), [(0.6, 2_000), (0.7, 2_000), (0.75, 2_000), (0.8, 2_000), (0.9, 500)])
def test_pairs_become_candidates_as_often_as_the_formula_says(preset: str, similarity: float, pairs: int) -> None:
    shape = SHAPES[preset]
    random = np.random.default_rng(round(100 * similarity))
    found, exact = 0, 0.0
    for _ in range(pairs):
        a, b, exact = sets(random, similarity, 300)
        found += bool((sketch(a, *shape, SEED) == sketch(b, *shape, SEED)).any())
    expected = match_probability(exact, *shape)
    # One pair is a fair error where the formula expects none to be missed.
    sigma = math.sqrt(expected * (1 - expected) / pairs)
    assert found / pairs == pytest.approx(expected, abs=3 * sigma + 1 / pairs)


@pytest.mark.parametrize("preset", sorted(SHAPES))
@pytest.mark.parametrize("size", [3, 40, 3_000])
def test_buckets_agree_as_often_as_their_hashes_would(preset: str, size: int) -> None:
    """Sets of few shingles end by another rule, large ones fill all slots at once; buckets agree by s^r in all."""
    buckets, hashes = SHAPES[preset]
    random = np.random.default_rng(size)
    shares, exact = [], 0.0
    for _ in range(120):
        a, b, exact = sets(random, 0.9, size)
        shares.append(np.mean(sketch(a, buckets, hashes, SEED) == sketch(b, buckets, hashes, SEED)))
    expected = exact**hashes
    sigma = float(np.std(shares)) / math.sqrt(len(shares))
    assert np.mean(shares) == pytest.approx(expected, abs=3 * sigma + 1e-9)


def test_repeated_shingles_and_their_order_change_nothing() -> None:
    a, _, _ = sets(np.random.default_rng(1), 0.5, 200)
    again = np.concatenate([a[::-1], a[:50]])
    for shape in SHAPES.values():
        assert np.array_equal(sketch(a, *shape, SEED), sketch(again, *shape, SEED))


def test_equal_texts_agree_in_every_bucket_and_others_in_none() -> None:
    minhash = MinHash(450, 20, 5, seed=1)
    a, b, _ = sets(np.random.default_rng(3), 0.0, 200)
    assert np.array_equal(minhash.sign(a), minhash.sign(a.copy()))
    assert not (minhash.sign(a) == minhash.sign(b)).any()
    assert len(np.unique(minhash.sign(a))) == 450


def test_tiny_texts_have_signatures_too() -> None:
    minhash = MinHash(450, 20, 5, seed=1)
    signatures = [minhash.sign(word_hashes(text)) for text in ("", "one", "one two", "one two three four five")]
    for first, a in enumerate(signatures):
        for b in signatures[first + 1 :]:
            assert not (a == b).any()


def plain_sketch(grams: list[int], buckets: int, hashes_per_bucket: int, seed: int) -> list[int]:
    """The method in plain numbers, slow: every slot looks for the earliest throw that hits it."""
    full, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(value: int) -> int:
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & full
        value = (value ^ value >> 27) * 0x94D049BB133111EB & full
        return value ^ value >> 31

    num_slots = max(buckets, 64)
    sums = [0] * buckets
    for place in range(1, hashes_per_bucket + 1):
        offset = mix(seed + place * golden & full)
        factor = mix(offset) | 1
        slots: dict[int, int] = {}
        thrown = [gram * factor + offset & full for gram in grams]
        for now in range(num_slots):
            thrown = [number * 6364136223846793005 + 1442695040888963407 & full for number in thrown]
            for number in thrown:
                slot = (number >> 32) * num_slots >> 32
                slots[slot] = min(slots.get(slot, full), now << 32 | number & 0xFFFFFFFF)
        for slot in set(range(num_slots)) - slots.keys():
            last = min(mix(number + slot * golden & full) & 0xFFFFFFFF for number in thrown)
            slots[slot] = num_slots << 32 | last
        weight = mix(factor) | 1
        sums = [total + slots[bucket] * weight & full for bucket, total in enumerate(sums)]
    return [mix(total) for total in sums]


@pytest.mark.parametrize(("size", "shape"), [(1, (14, 8)), (2, (70, 3)), (100, (14, 8)), (30, (450, 2))])
def test_the_compiled_sketch_is_the_plain_one(size: int, shape: tuple[int, int]) -> None:
    grams = np.random.default_rng(size).integers(0, 2**64, size, dtype=np.uint64)
    assert sketch(grams, *shape, SEED).tolist() == plain_sketch(grams.tolist(), *shape, 1)


def test_signatures_are_the_same_for_ever_and_depend_on_the_seed() -> None:
    words = np.arange(9, dtype=np.uint64)
    signature = MinHash(14, 8, 5, seed=1).sign(words)
    assert signature[:2].tolist() == [15668581868568865551, 5803830053263924651]
    assert not (MinHash(14, 8, 5, seed=2).sign(words) == signature).any()


def test_different_articles_of_the_sample_are_far_apart_and_its_copies_close() -> None:
    world = make_world(1)
    texts = ["\n".join(article(world, Draw("article", 1, number))[1]) for number in range(200)]
    assert max(jaccard(texts[0], other) for other in texts[1:]) < 0.3
    assert jaccard(texts[0], texts[0] + " This page was read again in Wells on day 45.") > 0.9
