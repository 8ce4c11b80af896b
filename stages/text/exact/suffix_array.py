"""Windows of tokens that occur more than once, found by a suffix array.

Tokens are encoded as bytes before they are sorted, frequent ones in one byte (1.7 bytes a word on web text). The code
is prefix-free and its first bytes are never inner bytes. Therefore the suffix array of the bytes has the suffixes that
begin at a token in the order of their tokens, and a common prefix of bytes is a common prefix of tokens.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pydivsufsort

from stages.text.compiled.arrays import I64, U8, U32
from stages.text.compiled.kernels import kernel

CutRule = Literal["all", "first"]
Places = I64
"""Places in the bytes: int32, or int64 past 2 GiB."""

SEPARATOR = 0
INNER = 128
"""U8 from here on continue a token; 1..127 begin one."""
FIRST_BYTES = (64, 48, 12, 1, 2)
"""Number of the bytes 1..127 that begin a token of 1, 2, .. 5 bytes. Room for 5 x 10^8 different tokens, more than fit
into the bytes that one suffix array holds."""
FIRST_RANKS = np.cumsum([0, *(first * INNER**inner for inner, first in enumerate(FIRST_BYTES))])
"""Smallest rank whose code has 1, 2, .. 5 bytes, and the number of codes."""
LENGTHS = np.repeat(np.arange(7), [1, *FIRST_BYTES, INNER]).astype(np.uint8) % 6
"""U8 of the token that a byte begins; 0 for the separator and inner bytes."""


def rank_by_count(counts: I64) -> U32:
    """Return the rank of each token by its frequency, most frequent first; of equals, the smaller id."""
    ranks = np.empty(len(counts), dtype=np.uint32)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts), dtype=np.uint32)
    return ranks


def encoded_size(counts: I64, ranks: U32, num_regions: int) -> int:
    """Return the number of bytes that `encode` needs for tokens of these counts."""
    lengths = np.searchsorted(FIRST_RANKS, ranks, side="right")
    return int(np.dot(counts, lengths)) + num_regions


@kernel
def count_tokens(ids: U32, starts: I64, ends: I64, num_ids: int) -> I64:
    """Return the count of each id in the regions starts[r] .. ends[r] of the tokens."""
    counts = np.zeros(num_ids, dtype=np.int64)
    for region in range(len(starts)):
        for place in range(starts[region], ends[region]):
            counts[ids[place]] += 1
    return counts


@kernel
def encode(ids: U32, starts: I64, ends: I64, ranks: U32, size: int) -> U8:
    """Return the tokens of the regions as bytes, a separator after each region."""
    data = np.empty(size, dtype=np.uint8)
    at = 0
    for region in range(len(starts)):
        for place in range(starts[region], ends[region]):
            rank = np.int64(ranks[ids[place]])
            first, length = 1, 0
            while rank >= FIRST_RANKS[length + 1]:
                first += FIRST_BYTES[length]
                length += 1
            rank -= FIRST_RANKS[length]
            data[at] = first + (rank >> (7 * length))
            at += 1
            for inner in range(length - 1, -1, -1):
                data[at] = INNER + ((rank >> (7 * inner)) & (INNER - 1))
                at += 1
        data[at] = SEPARATOR
        at += 1
    return data


def repeated_windows(data: U8, window: int, rule: CutRule) -> U8:
    """Return 1 at every byte at which a window of `window` tokens begins that the rule removes, 0 elsewhere.

    all: windows that occur at least twice (arXiv:2107.06499, section 4.1). first: those that occurred before. A window
    lies within one region. Memory: 10 bytes a byte of `data` (19 past 2 GiB, where places need 64 bits).
    """
    order = pydivsufsort.divsufsort(data)
    marks = np.zeros(len(data), dtype=np.uint8)
    mark_matches(data, preceding(data, order), window, rule == "all", marks)
    if rule == "first":
        mark_later(order, marks)
    return marks


@kernel
def preceding(data: U8, order: Places) -> Places:
    """Return for each suffix that begins at a token the one before it in the suffix array, -1 for the first of all."""
    before = np.empty(len(order), dtype=order.dtype)
    before[order[0]] = -1
    for index in range(1, len(order)):
        if LENGTHS[data[order[index]]]:
            before[order[index]] = order[index - 1]
    return before


@kernel
def mark_matches(data: U8, before: Places, window: int, both: bool, marks: U8) -> None:
    """Mark each window that equals the one before it in the suffix array, and with `both` that one too.

    The common prefix with the suffix before it shrinks by no more than one when a suffix loses its first byte
    (Kärkkäinen, Manzini, Puglisi: Permuted longest-common-prefix array, 2009), so one walk through the bytes finds all.
    """
    at, end, ahead, common = 0, 0, 0, 0  # the window of `ahead` tokens is data[at:end]
    while at < len(data):
        while ahead < window and data[end] != SEPARATOR:
            end += LENGTHS[data[end]]
            ahead += 1
        if ahead < window:  # the region ends here; every region has a separator
            while data[end] != SEPARATOR:
                end += 1
            end += 1
            at, ahead, common = end, 0, 0
            continue
        other = before[at]
        if other < 0:
            common = 0
        else:
            while at + common < end and other + common < len(data) and data[at + common] == data[other + common]:
                common += 1
            if at + common >= end:
                marks[at] = 1
                if both:
                    marks[other] = 1
        step = LENGTHS[data[at]]
        at += step
        ahead -= 1
        common = max(common - step, 0)


@kernel
def mark_later(order: Places, marks: U8) -> None:
    """Change marks from `equals the window before it in the suffix array` to `occurred earlier in the bytes`."""
    earliest = order[0]
    for index in range(1, len(order)):
        at = order[index]
        if not marks[at] & 1:
            earliest = at
        elif at > earliest:
            marks[at] |= 2
        else:
            marks[earliest] |= 2
            earliest = at
    for at in range(len(marks)):
        marks[at] >>= 1


@kernel
def covered_ranges(data: U8, marks: U8, starts: I64, window: int, ranges: I64) -> int:
    """Write the ranges (first token, end) that marked windows cover, in order; return their number.

    starts[r] is the place of region r's first token. Ranges of different regions are not joined.
    """
    found, region, place = 0, 0, starts[0]
    open_until = -1
    for at in range(len(data)):
        if data[at] == SEPARATOR:
            region += 1
            open_until = -1
            if region < len(starts):
                place = starts[region]
        elif data[at] < INNER:
            if marks[at]:
                if place > open_until:
                    ranges[found, 0] = place
                    found += 1
                open_until = place + window
                ranges[found - 1, 1] = open_until
            place += 1
    return found
