"""Pairs of pages whose signatures agree, in bounded memory and linear time, however many pages have the same one.

Pages that share a value are joined to the first of them: a million equal pages are a million pairs, less one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.web.arrays import RowsWriter
from stages.web.kernels import kernel
from stages.web.minhash import MinHash
from stages.web.settings import DedupSettings
from stages.web.shingles import U64, mix
from stages.web.simhash import SimHash

SEEN = np.uint64(2**64 - 1)
"""Number of any page of an earlier run. It is greater than every page of this run, so never the first of a value."""
EMPTY = 2**64 - 2
"""Number in a free slot of a table."""
SLOT_BYTES = 16
MIN_SLOTS = 1023
"""Less one: a table has at least 1,024."""
LOAD = 0.7
"""Share of a table's slots that may be taken."""
WAYS = 4
"""Slots of a pair: 64 bytes, so that they come from memory together."""


def make_method(settings: DedupSettings) -> MinHash | SimHash:
    """Return what signs the pages and compares the signatures."""
    if settings.method == "minhash":
        return MinHash(*settings.shape, settings.ngram, settings.seed)
    blocks = settings.simhash_blocks or settings.simhash_distance + 1
    return SimHash(settings.simhash_distance, blocks, settings.simhash_ngram, settings.seed)


def slots_within(megabytes: float) -> int:
    """Return how many slots a table of that size has: a power of two."""
    return 1 << max(1, int(megabytes * 1e6) // SLOT_BYTES).bit_length() - 1


def key_ranges(num_pages: int, at_once: int) -> Iterator[U64]:
    """Yield the first and last key of so many equal ranges that each has about `at_once` pages or fewer."""
    parts = max(1, -(-num_pages // at_once))
    for low, high in pairwise(part * 2**64 // parts for part in range(parts + 1)):
        yield np.array([low, high - 1], np.uint64)


ALL_KEYS = next(key_ranges(1, 1))


class Joiner:
    """A hash table of the first page of each value."""

    def __init__(self, num_pages: int) -> None:
        """Make room for about so many pages of different values; more make it grow."""
        self._table = _empty(1 << max(MIN_SLOTS, 2 * num_pages - 1).bit_length())
        self._count = 0

    def add(self, values: U64, numbers: U64, keys: U64 | None = None, within: U64 = ALL_KEYS) -> U64:
        """Take pages in order of their numbers, SEEN ones last; return a pair (first, page) for each value not new.

        Pages whose keys are outside of the range `within` are left out; `keys` are the values if not given.
        """
        step = max(1, len(self._table) // 8)
        found = []
        for start in range(0, max(1, len(values)), step):
            if self._count + step > LOAD * len(self._table):
                known, self._table = self.entries(), _empty(2 * len(self._table))
                join_equal(known[0], known[1], known[0], ALL_KEYS, self._table)
            part = slice(start, start + step)
            part_keys = values[part] if keys is None else keys[part]
            pairs, added = join_equal(values[part], numbers[part], part_keys, within, self._table)
            self._count += added
            found.append(pairs)
        return np.concatenate(found)

    def entries(self) -> tuple[U64, U64]:
        """Return the different values, in no order, and the first page of each."""
        taken = self._table[self._table[:, 1] != np.uint64(EMPTY)]
        return taken[:, 0].copy(), taken[:, 1].copy()


def _empty(slots: int) -> U64:
    return np.full((slots, 2), EMPTY, np.uint64)


class PairsWriter:
    """Writes pairs of pages (uint64, any x 2), most of them once.

    Most pairs are found again in other buckets. The first ones are kept in a table, and are not written again.
    """

    def __init__(self, path: Path, slots: int) -> None:
        self._writer = RowsWriter(path, 2)
        self._known = np.zeros((max(WAYS, slots), 2), np.uint64)  # 0 and 0 are no pair; memory is taken as slots are

    @property
    def count(self) -> int:
        """Pairs written so far."""
        return self._writer.count

    def add(self, pairs: U64) -> None:
        """Write the pairs that are not known."""
        self._writer.add(new_pairs(pairs, self._known))

    def __enter__(self) -> PairsWriter:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.__exit__(*error)


@kernel
def join_equal(values: U64, numbers: U64, keys: U64, within: U64, table: U64) -> tuple[U64, int]:
    """Return pairs (first page of a value, later page), and how many values were new and went into the table.

    Only pages whose keys lie `within` (first and last) are looked at.

    The table (slots x 2: value, page) has a power of two slots, of which at least one stays free. Two pages of
    earlier runs are no pair.
    """
    last = np.uint64(len(table) - 1)
    pairs = np.empty((len(values), 2), np.uint64)
    count = 0
    added = 0
    for index in range(len(values)):
        if not within[0] <= keys[index] <= within[1]:
            continue
        slot = mix(values[index]) & last
        while table[slot, 1] != np.uint64(EMPTY) and table[slot, 0] != values[index]:
            slot = (slot + np.uint64(1)) & last
        first = table[slot, 1]
        if first == np.uint64(EMPTY):
            table[slot, 0], table[slot, 1] = values[index], numbers[index]
            added += 1
        elif first != SEEN:
            pairs[count, 0], pairs[count, 1] = first, numbers[index]
            count += 1
    return pairs[:count], added


@kernel
def new_pairs(pairs: U64, known: U64) -> U64:
    """Return the pairs that are not in `known` (slots x 2, a power of two), and put them there where there is room.

    A pair has WAYS slots, neighbours in memory. What is there stays: buckets find the same pairs in the same order, so
    that the latest ones would always be just those that come last.
    """
    groups = np.uint64(len(known) // WAYS - 1)
    found = np.empty_like(pairs)
    count = 0
    for index in range(len(pairs)):
        first, other = pairs[index]
        start = np.int64(mix(first ^ mix(other)) & groups) * WAYS
        is_known = False
        for slot in range(start, start + WAYS):
            if known[slot, 0] == first and known[slot, 1] == other:
                is_known = True
                break
            if known[slot, 0] == 0 and known[slot, 1] == 0:
                known[slot, 0], known[slot, 1] = first, other
                break
        if not is_known:
            found[count, 0], found[count, 1] = first, other
            count += 1
    return found[:count]
