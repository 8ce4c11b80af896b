"""MinHash signatures in numpy: shingles of words, one hash per bucket of hash functions, all deterministic.

Two texts agree in one hash function with a probability equal to the Jaccard similarity of their shingle sets
(Broder, 1997); a bucket agrees if all its functions do (Lee et al., arXiv:2107.06499).
"""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

from stages.web.words import words

U64 = NDArray[np.uint64]

CELLS = 1 << 20
"""Hash values computed at a time: bounds the memory for long texts (8 MB)."""


def shingles(text: str, ngram: int) -> U64:
    """Return the different 64-bit hashes of the text's word n-grams, sorted; lower case, punctuation ignored.

    A text shorter than one n-gram is one shingle, so that even tiny pages have duplicates.
    """
    found = [word.lower() for word in words(text)]
    grams = (" ".join(found[start : start + ngram]) for start in range(max(1, len(found) - ngram + 1)))
    return np.unique(np.fromiter((xxhash.xxh3_64_intdigest(gram) for gram in grams), dtype=np.uint64))


def jaccard(a: U64, b: U64) -> float:
    """Return the exact similarity of two shingle sets: shared ones over all."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


class MinHash:
    """The hash functions of one seed: h(x) = a x + b modulo 2^64 with odd a, over shingles that are already hashes."""

    def __init__(self, buckets: int, hashes_per_bucket: int, seed: int) -> None:
        self.shape = (buckets, hashes_per_bucket)
        drawn = _draw(3 * buckets * hashes_per_bucket, seed).reshape(3, -1)
        self._factors, self._offsets = drawn[0] | np.uint64(1), drawn[1]
        self._weights = (drawn[2] | np.uint64(1)).reshape(self.shape)

    def minima(self, hashes: U64) -> U64:
        """Return the smallest value of every hash function over a set of shingles, shape (buckets * hashes,)."""
        smallest = np.full(len(self._factors), np.iinfo(np.uint64).max, dtype=np.uint64)
        step = max(1, CELLS // len(self._factors))
        for start in range(0, len(hashes), step):
            values = np.multiply.outer(hashes[start : start + step], self._factors)
            values += self._offsets
            np.minimum(smallest, values.min(axis=0), out=smallest)
        return smallest

    def bands(self, hashes: U64) -> U64:
        """Return one 64-bit hash per bucket, shape (buckets,): a weighted sum of the bucket's minima, mixed."""
        sums = (self.minima(hashes).reshape(self.shape) * self._weights).sum(axis=1, dtype=np.uint64)
        return _mix(sums)


def _draw(count: int, seed: int) -> U64:
    """Return pseudo-random numbers by splitmix64: the same for ever, which numpy's generators do not promise."""
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return _mix(steps + np.uint64(seed) * np.uint64(0xD1342543DE82EF95))


def _mix(values: U64) -> U64:
    """Return splitmix64's finisher of each value: a bijection that spreads every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
