"""SimHash signatures of 64 bits: the more shingles two texts share, the more bits agree (Charikar, 2002).

Each bit is the majority of that bit in all shingles' hashes, repeated ones included. Signatures that differ in few bits
are found exactly (Manku et al., 2007, section 3). The 64 bits are cut into n blocks: signatures that differ in at most
d bits agree in at least n - d blocks. Each choice of n - d blocks is a table, in which signatures that agree in the
chosen blocks are compared bit by bit.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from stages.text.compiled.arrays import U64
from stages.text.compiled.hashing import mix
from stages.text.compiled.kernels import kernel
from stages.text.dedup.union_find import find
from stages.text.words.shingles import shingles

BITS = 64
PLANES = 32
"""Digits of the binary counters: votes are counted modulo 2**32."""


class SimHash:
    """The hash function of one seed, and the tables that find near signatures."""

    num_rows = 1
    """Numbers in a signature."""

    def __init__(self, distance: int, blocks: int, ngram: int, seed: int) -> None:
        self.distance = distance
        self.ngram = ngram
        self.seed = np.uint64(seed)
        parts = np.array_split(np.arange(BITS), blocks)
        chosen = combinations([sum(1 << int(bit) for bit in part) for part in parts], blocks - distance)
        self._masks = [np.uint64(sum(masks)) for masks in chosen]

    @property
    def num_tables(self) -> int:
        """Tables in which pages are compared: choices of blocks."""
        return len(self._masks)

    def sign(self, words: U64) -> U64:
        """Return the signature, shape (1,), from the hashes of a text's words in order."""
        return np.array([vote(shingles(words, self.ngram, self.seed))], np.uint64)

    def row(self, table: int) -> int:
        """Return the row of the signatures that a table compares: the only one."""
        return 0

    def keys(self, values: U64, table: int) -> U64:
        """Return the chosen blocks of each signature, spread evenly over 64 bits."""
        return spread(values, self._masks[table])

    def near(self, values: U64, numbers: U64, table: int) -> U64:
        """Return pairs of pages whose different signatures agree in the table's blocks and are near.

        The pairs join each page to all pages near it, directly or through pages in between.
        """
        keys = self.keys(values, table)
        order = np.lexsort((numbers, keys))
        return join_near(keys[order], values[order], numbers[order], self.distance)


@kernel
def vote(grams: U64) -> np.uint64:
    """Return the 64 majorities of the hashes' bits; a tie is 0.

    All 64 counters count at once: word k holds the k-th binary digit of each.
    """
    digits = np.zeros(PLANES, np.uint64)
    for gram in grams:
        carry = gram
        place = 0
        while carry != 0 and place < PLANES:
            digits[place], carry = digits[place] ^ carry, digits[place] & carry
            place += 1
    # Compare all counters with half the number of shingles, from the highest digit down.
    half = np.uint64(len(grams) // 2)
    more = np.uint64(0)
    equal = ~np.uint64(0)
    for place in range(PLANES - 1, -1, -1):
        if (half >> np.uint64(place)) & np.uint64(1):
            equal &= digits[place]
        else:
            more |= equal & digits[place]
            equal &= ~digits[place]
    return more


@kernel
def spread(values: U64, mask: np.uint64) -> U64:
    """Return the masked bits of each value, mixed."""
    found = np.empty(len(values), np.uint64)
    for index in range(len(values)):
        found[index] = mix(values[index] & mask)
    return found


@kernel
def count_bits(value: np.uint64) -> np.uint64:
    """Return the number of ones (Hacker's Delight, figure 5-2)."""
    value = value - ((value >> np.uint64(1)) & np.uint64(0x5555555555555555))
    value = (value & np.uint64(0x3333333333333333)) + ((value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (value * np.uint64(0x0101010101010101)) >> np.uint64(56)


@kernel
def join_near(keys: U64, values: U64, numbers: U64, distance: int) -> U64:
    """Return pairs of numbers (uint64, any x 2) whose values differ in at most `distance` bits, within equal keys.

    `keys` are sorted. A pair that earlier rows join already gets no row, so there are fewer rows than pages. Time grows
    with the square of the number of pages that share a key.
    """
    roots = np.arange(len(keys))
    pairs = np.empty((len(keys), 2), np.uint64)
    count = 0
    for later in range(len(keys)):
        earlier = later - 1
        while earlier >= 0 and keys[earlier] == keys[later]:
            if count_bits(values[earlier] ^ values[later]) <= distance:
                first, second = find(roots, earlier), find(roots, later)
                if first != second:
                    roots[max(first, second)] = min(first, second)
                    pairs[count, 0], pairs[count, 1] = numbers[earlier], numbers[later]
                    count += 1
            earlier -= 1
    return pairs[:count]
