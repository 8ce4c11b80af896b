"""Hashes of words and of n-grams, and their search in sorted hashes, compiled."""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import I32, I64, U32, U64
from stages.text.compiled.hashing import GOLDEN, hash_character, mix, power
from stages.text.compiled.kernels import kernel
from stages.text.words.characters import LOWER_SHIFT, WORD
from stages.text.words.tokens import flags_of

FULL_FIRST, FULL_LAST, FULL_SHIFT = 0xFF01, 0xFF5E, 0xFEE0
"""Full-width forms of ASCII, and their distance from it."""


@kernel
def hash_words(codes: U32, starts: I32, ends: I32, characters: U32) -> U64:
    """Return a hash of each word's letters and digits, in lower case and usual width, without marks and apostrophes."""
    found = np.empty(len(starts), np.uint64)
    for word in range(len(starts)):
        value = np.uint64(1)
        for place in range(starts[word], ends[word]):
            code = codes[place]
            if FULL_FIRST <= code <= FULL_LAST:
                code = np.uint32(code - FULL_SHIFT)
            flags = flags_of(code, characters)
            if flags & WORD:
                value = value * GOLDEN + hash_character(flags >> LOWER_SHIFT)
        found[word] = mix(value)
    return found


@kernel
def grams_of(words: U64, length: int) -> U64:
    """Return the hash of each n-gram of so many words, in order; none of a text that is shorter."""
    count = len(words) - length + 1
    found = np.empty(max(count, 0), np.uint64)
    if count <= 0:
        return found
    leaving, value = power(length), np.uint64(0)
    for place in range(len(words)):
        value = value * GOLDEN + words[place]
        if place >= length:
            value -= words[place - length] * leaving
        if place >= length - 1:
            found[place - length + 1] = mix(value + np.uint64(length))
    return found


@kernel
def matches(words: U64, lengths: I64, grams: U64, bits: U64) -> I64:
    """Return a row for each n-gram of a text that is among `grams`: its first word, its length, its place in `grams`.

    `grams` are sorted; one that is there more than once gives a row for each. `bits` has a bit for each of them, at the
    lowest bits of its hash.
    """
    room = 16
    found = np.empty((room, 3), np.int64)
    count = 0
    mask = np.uint64(64 * len(bits) - 1)
    for length in lengths:
        for first, gram in enumerate(grams_of(words, length)):
            bit = gram & mask
            if not bits[bit >> np.uint64(6)] >> (bit & np.uint64(63)) & np.uint64(1):
                continue
            place = np.searchsorted(grams, gram)
            while place < len(grams) and grams[place] == gram:
                if count == room:
                    room *= 2
                    longer = np.empty((room, 3), np.int64)
                    longer[:count] = found
                    found = longer
                found[count, 0], found[count, 1], found[count, 2] = first, length, place
                count += 1
                place += 1
    return found[:count]
