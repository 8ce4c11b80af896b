"""Shingles: hashes of a text's word n-grams, from the hashes of its words. MinHash and SimHash both sign them."""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import U64
from stages.text.compiled.hashing import GOLDEN, mix
from stages.text.compiled.kernels import kernel


@kernel
def shingles(words: U64, ngram: int, seed: np.uint64) -> U64:
    """Return one hash per n-gram of words, in order, repeated ones included.

    A text shorter than one n-gram is one shingle, so that even tiny pages have duplicates. The hash is a weighted sum
    of the words' hashes, mixed with the seed. The weights are odd and depend on place and length.
    """
    size = min(ngram, len(words))
    weights = np.empty(size, np.uint64)
    for place in range(size):
        weights[place] = mix(np.uint64(place + 1) * GOLDEN) | np.uint64(1)
    start = mix(seed + np.uint64(size) * GOLDEN)
    found = np.empty(len(words) - size + 1, np.uint64)
    for first in range(len(found)):
        total = start
        for place in range(size):
            total += words[first + place] * weights[place]
        found[first] = mix(total)
    return found
