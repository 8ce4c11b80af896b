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
NO_PAIRS = np.empty((0, 2), np.uint64)
PAGE_BYTES = 56
"""Memory for one page that is joined: value and number, both again in order, their pair, half a slot."""
PAIR_BYTES = 16
PART_PAGES = 16_384
"""Pages whose hash table stays in a processor's cache."""
MIN_ROOM = 1024
"""Pages for which there always is room."""
PAIRS_A_PAGE = 8
"""Pairs of a page, in all buckets, for which there is room: a page has one with the first of its near-duplicates."""
WAYS = 4
"""Slots of a pair: 64 bytes, so that they come from memory together."""


def make_method(settings: DedupSettings) -> MinHash | SimHash:
    """Return what signs the pages and compares the signatures."""
    if settings.method == "minhash":
        return MinHash(*settings.shape, settings.ngram, settings.seed)
    blocks = settings.simhash_blocks or settings.simhash_distance + 1
    return SimHash(settings.simhash_distance, blocks, settings.simhash_ngram, settings.seed)


def pages_at_once(memory_mb: int) -> int:
    """Return how many pages two thirds of that memory can join."""
    return memory_mb * 10**6 * 2 // 3 // PAGE_BYTES


def known_pairs(memory_mb: int, num_pages: int) -> int:
    """Return how many pairs to know, a power of two: some for each page, as many as fit into a third of that memory."""
    return 1 << (min(PAIRS_A_PAGE * num_pages, memory_mb * 10**6 // 3 // PAIR_BYTES) | 1).bit_length() - 1


def key_ranges(num_pages: int, at_once: int) -> Iterator[U64]:
    """Yield the first and last key of so many equal ranges that each has about `at_once` pages or fewer."""
    parts = max(1, -(-num_pages // at_once))
    for low, high in pairwise(part * 2**64 // parts for part in range(parts + 1)):
        yield np.array([low, high - 1], np.uint64)


ALL_KEYS = next(key_ranges(1, 1))


class Joiner:
    """Gathers pages with their values until memory is full, and then joins those that share a value."""

    def __init__(self, num_pages: int) -> None:
        """Make room for about so many pages; of more, those whose value was there before are joined at once."""
        self._pages = np.empty((max(MIN_ROOM, num_pages), 2), np.uint64)
        self._count = 0

    def add(self, values: U64, numbers: U64, keys: U64 | None = None, within: U64 = ALL_KEYS) -> U64:
        """Take pages in order of their numbers, SEEN ones last; return the pairs that had to be made now.

        Pages whose keys are outside of the range `within` are left out; `keys` are the values if not given.
        """
        found = [NO_PAIRS]
        if self._count + len(values) > len(self._pages):
            found.append(self._join())
            if self._count + len(values) > len(self._pages) // 2:
                more = np.empty((len(self._pages) + 2 * len(values), 2), np.uint64)
                self._pages = np.concatenate([self._pages[: self._count], more])
        keys = values if keys is None else keys
        self._count = take(self._pages, self._count, values, numbers, keys, within)
        return np.concatenate(found)

    def finish(self) -> U64:
        """Return the remaining pairs."""
        return self._join()

    def entries(self) -> tuple[U64, U64]:
        """Return the different values and the first page of each, once all pairs are made."""
        return self._pages[: self._count, 0], self._pages[: self._count, 1]

    def _join(self) -> U64:
        parts = 1 << max(0, self._count // PART_PAGES).bit_length()
        pairs, self._count = join_equal(self._pages, self._count, parts)
        return pairs


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
def take(pages: U64, count: int, values: U64, numbers: U64, keys: U64, within: U64) -> int:
    """Append the pages whose keys lie `within` (first and last) to `pages` (any x 2); return the new count."""
    for index in range(len(values)):
        if within[0] <= keys[index] <= within[1]:
            pages[count, 0] = values[index]
            pages[count, 1] = numbers[index]
            count += 1
    return count


@kernel
def join_equal(pages: U64, count: int, parts: int) -> tuple[U64, int]:
    """Return a pair (first page of its value, page) for each page whose value an earlier row has.

    `pages` (value, number) has `count` rows in order of the numbers; afterwards its first rows are the first pages of
    each value, and their count is returned. Two pages of earlier runs are no pair. The pages are divided into so many
    parts (a power of two) by their values, each small enough for a hash table in the processor's cache: linear time.
    """
    ends = np.zeros(parts + 1, np.int64)
    last = np.uint64(parts - 1)
    for row in range(count):
        ends[np.int64(mix(pages[row, 0]) & last) + 1] += 1
    ends = np.cumsum(ends)
    divided = np.empty((count, 2), np.uint64)
    places = ends[:-1].copy()
    for row in range(count):
        part = np.int64(mix(pages[row, 0]) & last)
        divided[places[part]] = pages[row]
        places[part] += 1
    pairs = np.empty((count, 2), np.uint64)
    num_pairs = 0
    kept = 0
    table = np.zeros(2, np.int64)
    for part in range(parts):
        start, end = ends[part], ends[part + 1]
        slots = 2
        while slots < 2 * (end - start):
            slots *= 2
        if slots > len(table):
            table = np.empty(slots, np.int64)
        table[:slots] = -1
        for row in range(start, end):
            value, number = divided[row]
            slot = np.int64(mix(value) >> np.uint64(20)) & (slots - 1)
            while table[slot] >= 0 and pages[table[slot], 0] != value:
                slot = (slot + 1) & (slots - 1)
            if table[slot] < 0:
                table[slot] = kept
                pages[kept, 0], pages[kept, 1] = value, number
                kept += 1
            elif pages[table[slot], 1] != SEEN:
                pairs[num_pairs, 0], pairs[num_pairs, 1] = pages[table[slot], 1], number
                num_pairs += 1
    return pairs[:num_pairs].copy(), kept


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
