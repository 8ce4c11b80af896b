"""MinHash signatures: one 64-bit hash per bucket of hash functions.

Two texts agree in one hash function with a probability equal to the Jaccard similarity of their shingle sets
(Broder, 1997); a bucket agrees if all its functions do (Lee et al., arXiv:2107.06499).

The functions are not evaluated one by one. The first functions of all buckets are one similarity sketch, their second
functions the next, and so on (Dahlgaard et al., Fast Similarity Sketching, arXiv:1704.04370). In a sketch each shingle
is thrown into a random slot (a bucket), again and again, until no slot is empty. A slot keeps the number of the
earliest round, of one round the smallest. Every shingle is equally likely to be kept, so slots agree with exactly the
probability above. The functions of one bucket come from different sketches and are independent. For 450 x 20 functions
and 1,000 shingles that is 75,000 throws instead of nine million evaluations.

Slots of one sketch repel each other a little (a shingle has one throw a round), which makes pages of less than a
hundred words become candidates slightly more often than the formula says; at least `MIN_SLOTS` slots keep that small.
"""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import U64
from stages.text.compiled.hashing import GOLDEN, mix
from stages.text.compiled.kernels import kernel
from stages.text.words.shingles import shingles

MIN_SLOTS = 64
"""Smallest number of slots of a sketch; slots beyond the buckets are ignored."""
EMPTY = 2**64 - 1


class MinHash:
    """The hash functions of one seed and the shape of a signature."""

    def __init__(self, buckets: int, hashes_per_bucket: int, ngram: int, seed: int) -> None:
        self.shape = (buckets, hashes_per_bucket)
        self.ngram = ngram
        self.seed = np.uint64(seed)

    @property
    def num_rows(self) -> int:
        """Numbers in a signature: one a bucket."""
        return self.shape[0]

    @property
    def num_tables(self) -> int:
        """Tables in which pages are compared: one a bucket."""
        return self.shape[0]

    def sign(self, words: U64) -> U64:
        """Return one hash per bucket, shape (buckets,), from the hashes of a text's words in order."""
        return sketch(shingles(words, self.ngram, self.seed), *self.shape, self.seed)

    def row(self, table: int) -> int:
        """Return the row of the signatures that a table compares."""
        return table

    def keys(self, values: U64, table: int) -> U64:
        """Return keys that are equal for equal pages of a table and spread evenly: the values themselves."""
        return values


@kernel
def sketch(grams: U64, buckets: int, hashes_per_bucket: int, seed: np.uint64) -> U64:
    """Return the hash of every bucket, shape (buckets,), of a set of shingles; repeats change nothing.

    A slot holds the round in its upper half and 32 bits of the thrown number in its lower. A shingle's throws are an
    LCG of its own, started apart for each sketch (Knuth's constants for 64 bits).
    """
    num_slots = np.uint64(max(buckets, MIN_SLOTS))
    slots = np.empty(num_slots, np.uint64)
    thrown = np.empty(len(grams), np.uint64)
    sums = np.zeros(buckets, np.uint64)
    for place in range(hashes_per_bucket):
        offset = mix(seed + np.uint64(place + 1) * GOLDEN)
        factor = mix(offset) | np.uint64(1)
        for index in range(len(grams)):
            thrown[index] = grams[index] * factor + offset
        slots[:] = np.uint64(EMPTY)
        missing = buckets
        now = np.uint64(0)
        while missing > 0 and now < num_slots:
            for index in range(len(grams)):
                number = thrown[index] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
                thrown[index] = number
                slot = ((number >> np.uint64(32)) * num_slots) >> np.uint64(32)
                before = slots[slot]
                missing -= (before == np.uint64(EMPTY)) & (slot < buckets)
                slots[slot] = min(before, now << np.uint64(32) | number & np.uint64(0xFFFFFFFF))
            now += np.uint64(1)
        if missing > 0:
            _fill(slots, thrown, num_slots)
        weight = mix(factor) | np.uint64(1)
        for bucket in range(buckets):
            sums[bucket] += slots[bucket] * weight
    for bucket in range(buckets):
        sums[bucket] = mix(sums[bucket])
    return sums


@kernel
def _fill(slots: U64, thrown: U64, now: np.uint64) -> None:
    """Throw every shingle into every slot that is still empty: the end of a sketch of very few shingles."""
    for slot in range(len(slots)):
        if slots[slot] == np.uint64(EMPTY):
            for number in thrown:
                value = mix(number + np.uint64(slot) * GOLDEN) & np.uint64(0xFFFFFFFF)
                slots[slot] = min(slots[slot], now << np.uint64(32) | value)
