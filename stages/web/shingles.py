"""Shingles: the hashes of a text's word n-grams, from the hashes of its words. Both kinds of signature start here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.web.kernels import kernel

U64 = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15


@kernel
def mix(value):  # type: ignore[no-untyped-def]
    """Return splitmix64's finisher of a uint64: a bijection that spreads every bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel
def shingles(words: U64, ngram: int, seed: np.uint64) -> U64:
    """Return one hash per n-gram of words, in order, repeated ones included.

    A text shorter than one n-gram is one shingle, so that even tiny pages have duplicates. The hash is a weighted sum
    of the words' hashes, whose weights are odd and depend on place and length, mixed with the seed.
    """
    size = min(ngram, len(words))
    weights = np.empty(size, np.uint64)
    for place in range(size):
        weights[place] = mix(np.uint64(place + 1) * np.uint64(GOLDEN)) | np.uint64(1)
    start = mix(seed + np.uint64(size) * np.uint64(GOLDEN))
    found = np.empty(len(words) - size + 1, np.uint64)
    for first in range(len(found)):
        total = start
        for place in range(size):
            total += words[first + place] * weights[place]
        found[first] = mix(total)
    return found
