"""Pairs of pages with equal signatures, in bounded memory and linear time, however many pages share one.

Pages that share a value are joined to the first of them: a million equal pages are a million pairs, less one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.text.compiled.arrays import I64, U64
from stages.text.compiled.hash_table import find_row_slot, table_size
from stages.text.compiled.hashing import mix
from stages.text.compiled.kernels import kernel
from stages.text.dedup.disk_arrays import RowsWriter

SEEN = np.uint64(2**64 - 1)
"""Number of any page of an earlier run. It is greater than every page of this run, so never the first of a value."""
NO_PAIRS = np.empty((0, 2), np.uint64)
PAGE_BYTES = 56
"""Memory for one page that is joined: value and number, both again in order, their pair, half a slot."""
PAIR_BYTES = 16
PART_PAGES = 16_384
"""Pages whose hash table fits into a processor's cache."""
MIN_ROOM = 1024
"""Smallest number of pages that a Joiner has room for."""
PAIRS_A_PAGE = 8
"""Pairs of a page, in all buckets, that PairsWriter has room for: a page pairs with the first of its duplicates."""
WAYS = 4
"""Slots of a pair: 64 bytes, which memory delivers together."""


def pages_at_once(memory_mb: int) -> int:
    """Return how many pages two thirds of that memory can join."""
    return memory_mb * 10**6 * 2 // 3 // PAGE_BYTES


def known_pairs(memory_mb: int, num_pages: int) -> int:
    """Return how many pairs to remember, a power of two: some a page, as many as a third of that memory holds."""
    return 1 << (min(PAIRS_A_PAGE * num_pages, memory_mb * 10**6 // 3 // PAIR_BYTES) | 1).bit_length() - 1


def key_ranges(num_pages: int, at_once: int) -> Iterator[U64]:
    """Yield the first and last key of equal ranges, so many that each has about `at_once` pages or fewer."""
    parts = max(1, -(-num_pages // at_once))
    for low, high in pairwise(part * 2**64 // parts for part in range(parts + 1)):
        yield np.array([low, high - 1], np.uint64)


ALL_KEYS = next(key_ranges(1, 1))


class Joiner:
    """Gathers pages with their values until memory is full, then joins those that share a value."""

    def __init__(self, num_pages: int) -> None:
        """Make room for about so many pages; when more come, those gathered so far are joined at once."""
        self._pages = np.empty((max(MIN_ROOM, num_pages), 2), np.uint64)
        self._count = 0

    def add(self, values: U64, numbers: U64, keys: U64 | None = None, within: U64 = ALL_KEYS) -> U64:
        """Add pages in order of their numbers, SEEN ones last; return the pairs that had to be made now.

        Pages whose keys are outside of the range `within` are left out. The default keys are the values.
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

    Buckets find most pairs again. A table remembers the first pairs, so that they are not written again.
    """

    def __init__(self, path: Path, slots: int) -> None:
        self._writer = RowsWriter(path, 2)
        self._known = np.zeros((max(WAYS, slots), 2), np.uint64)  # (0, 0) is never a pair; memory is used as slots are

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

    `pages` (value, number) has `count` rows in order of the numbers. Side effect: its first rows become the first page
    of each value; their count is returned. Two pages of earlier runs are no pair. The pages are divided by value into
    `parts` (a power of two), whose hash tables fit into the processor's cache: time is linear.
    """
    divided, ends = _divide(pages[:count], parts)
    pairs = np.empty((count, 2), np.uint64)
    num_pairs, kept = 0, 0
    table = np.empty(2, np.int64)
    for part in range(parts):
        start, end = ends[part], ends[part + 1]
        slots = table_size(end - start)
        if slots > len(table):
            table = np.empty(slots, np.int64)
        rows = table[:slots]
        rows[:] = -1
        for row in range(start, end):
            value, number = divided[row]
            slot = find_row_slot(rows, pages[:, 0], value)
            if rows[slot] < 0:
                rows[slot] = kept
                pages[kept, 0], pages[kept, 1] = value, number
                kept += 1
            elif pages[rows[slot], 1] != SEEN:
                pairs[num_pairs, 0], pairs[num_pairs, 1] = pages[rows[slot], 1], number
                num_pairs += 1
    return pairs[:num_pairs].copy(), kept


@kernel
def _divide(pages: U64, parts: int) -> tuple[U64, I64]:
    """Return the rows in order of their part, within a part as they were, and the end of each part after a first 0."""
    last = np.uint64(parts - 1)
    ends = np.zeros(parts + 1, np.int64)
    for row in range(len(pages)):
        ends[np.int64(mix(pages[row, 0]) & last) + 1] += 1
    ends = np.cumsum(ends)
    divided = np.empty((len(pages), 2), np.uint64)
    places = ends[:-1].copy()
    for row in range(len(pages)):
        part = np.int64(mix(pages[row, 0]) & last)
        divided[places[part]] = pages[row]
        places[part] += 1
    return divided, ends


@kernel
def new_pairs(pairs: U64, known: U64) -> U64:
    """Return the pairs that are not in `known` (slots x 2, a power of two). Side effect: adds them where there is room.

    A pair has WAYS slots, neighbours in memory. A full group of slots keeps its pairs: buckets find the same pairs in
    the same order, so that the latest pairs would always be the ones that come last.
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
