"""The tokens of a part as dense numbers, and the anchors at which a repeated window can begin.

Memory: 4 bytes a token, 16 bytes an anchor (one token in thirteen), and a hash table of the different tokens. Places
are counted over the whole part in 64 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stages.shared.errors import DataError
from stages.text.compiled.arrays import I64, U32, U64, Flags
from stages.text.compiled.hash_table import find_slot
from stages.text.compiled.hashing import GOLDEN, mix, power
from stages.text.compiled.kernels import kernel
from stages.text.words.tokens import KIND_SYMBOL, split, token_hashes

MAX_IDS = (1 << 32) - 1
PIECE = 1 << 20
"""Tokens that are numbered at a time: the table grows in small steps and is never much larger than its content."""


class GrowingArray:
    """An array that grows in place where the allocator can, to 1.25 times its content at most."""

    def __init__(self, dtype: Any) -> None:
        self._array = np.empty(1 << 12, dtype=dtype)
        self._size = 0

    def room(self, count: int) -> npt.NDArray[Any]:
        """Return room for the next `count` values; `grow` takes the number that were written."""
        if self._size + count > len(self._array):
            # Callers hold views only until their next call of `room`, so the memory may move.
            self._array.resize(max(self._size + count, len(self._array) * 5 // 4), refcheck=False)
        return self._array[self._size : self._size + count]

    def grow(self, count: int) -> None:
        """Count values that were written to `room` as content."""
        self._size += count

    @property
    def values(self) -> npt.NDArray[Any]:
        """The content, until the next call of `room`."""
        return self._array[: self._size]


class Numbering:
    """Numbers different tokens, given by 64-bit hashes, from 0 in the order in which they come.

    Two different tokens of a part share a hash with a probability of 10^-5 at 20 million different tokens.
    """

    def __init__(self) -> None:
        self._keys = np.zeros(1 << 12, dtype=np.uint64)
        self._numbers = np.empty(1 << 12, dtype=np.uint32)
        self.count = 0

    def number(self, hashes: U64, into: U32) -> None:
        """Write the number of each token to `into`. Raises DataError past 2^32 different tokens."""
        for start in range(0, len(hashes), PIECE):
            piece = hashes[start : start + PIECE]
            if self.count + len(piece) > MAX_IDS:
                remedy = "Raise exact.parts, so that a part has fewer documents"
                raise DataError("the part", f"more than {MAX_IDS} different tokens", remedy)
            self.count = _assign(piece, self._with_room(len(piece)), self._numbers, self.count, into[start:])

    def _with_room(self, more: int) -> U64:
        """Return the table of keys with room for `more`: at most half full even if all are new."""
        size = len(self._keys)
        while 2 * (self.count + more) > size:
            size *= 2
        if size > len(self._keys):
            keys, numbers = np.zeros(size, dtype=np.uint64), np.empty(size, dtype=np.uint32)
            _move(self._keys, self._numbers, keys, numbers)
            self._keys, self._numbers = keys, numbers
        return self._keys


class PartTokens:
    """The documents of a part, one after the other, as token numbers with the anchors of their windows."""

    def __init__(self, min_tokens: int) -> None:
        self.window = min_tokens
        self.gram = max(1, min_tokens // 2)
        self._numbering = Numbering()
        self._ids = GrowingArray(np.uint32)
        self._is_word = GrowingArray(np.bool_)
        self._hashes = GrowingArray(np.uint64)
        self._places = GrowingArray(np.int64)
        self._starts = [0]

    def add_text(self, text: str) -> None:
        """Append a document; its tokens are those of `tokens.split`, compared as written."""
        self.add(token_hashes(text), split(text).kinds != KIND_SYMBOL)

    def add(self, hashes: U64, is_word: Flags) -> None:
        """Append a document, given a hash of each token and whether it is a word or a symbol."""
        ids = self._ids.room(len(hashes))
        num_known = self._numbering.count
        self._numbering.number(hashes, ids)
        self._ids.grow(len(hashes))
        is_new = ids >= num_known
        self._is_word.room(self._numbering.count - num_known)[ids[is_new] - num_known] = is_word[is_new]
        self._is_word.grow(self._numbering.count - num_known)
        room = self._hashes.room(len(hashes)), self._places.room(len(hashes))
        found = find_anchors(ids, self._starts[-1], self.gram, self.window, *room)
        self._hashes.grow(found)
        self._places.grow(found)
        self._starts.append(self._starts[-1] + len(hashes))

    @property
    def ids(self) -> U32:
        """All tokens."""
        return self._ids.values

    @property
    def num_ids(self) -> int:
        """Number of different tokens."""
        return self._numbering.count

    @property
    def starts(self) -> I64:
        """Place of each document's first token, and last the number of tokens."""
        return np.array(self._starts, dtype=np.int64)

    def count_words(self, first: int, end: int) -> int:
        """Return the number of words among the tokens first .. end."""
        return int(np.count_nonzero(self._is_word.values[self.ids[first:end]]))

    def repeated_anchors(self) -> tuple[U64, I64]:
        """Return hash and place of each anchor whose hash occurs more than once, in order of place.

        Side effect: forgets all anchors, so it works once.
        """
        hashes, places = self._hashes.values, self._places.values
        order = np.argsort(hashes)
        is_same = hashes[order[1:]] == hashes[order[:-1]]
        repeated = np.zeros(len(hashes), dtype=bool)
        repeated[order[1:][is_same]] = True
        repeated[order[:-1][is_same]] = True
        found = hashes[repeated], places[repeated]
        self._hashes, self._places = GrowingArray(np.uint64), GrowingArray(np.int64)
        return found


@kernel
def _assign(hashes: U64, keys: U64, numbers: U32, count: int, into: U32) -> int:
    for index in range(len(hashes)):
        key = max(hashes[index], np.uint64(1))  # 0 is a free slot
        slot = find_slot(keys, key)
        if keys[slot] == 0:
            keys[slot] = key
            numbers[slot] = count
            count += 1
        into[index] = numbers[slot]
    return count


@kernel
def _move(keys: U64, numbers: U32, new_keys: U64, new_numbers: U32) -> None:
    for old in range(len(keys)):
        if keys[old] != 0:
            slot = find_slot(new_keys, keys[old])
            new_keys[slot] = keys[old]
            new_numbers[slot] = numbers[old]


@kernel
def _ring_size(items: int) -> int:
    size = 1
    while size < items:
        size *= 2
    return size


@kernel
def find_anchors(ids: U32, offset: int, gram: int, window: int, hashes: U64, places: I64) -> int:
    """Write hash and place (offset added) of each window's anchor, without repeats; return their number.

    The anchor of a window is its gram with the smallest hash, the first of equals (a minimizer: Roberts et al. 2004,
    winnowing: Schleimer et al. 2003). It depends on the window's tokens alone, so equal windows have anchors of equal
    hash at equal distance. A window whose anchor's hash occurs once in the part is not repeated. The first of equals is
    taken, because overlapping equal windows of periodic text must not share one anchor.
    """
    width = window - gram + 1  # grams of a window
    ring = _ring_size(width + 1)
    mask = ring - 1
    ring_hashes, ring_places = np.empty(ring, dtype=np.uint64), np.empty(ring, dtype=np.int64)
    head, tail = 0, 0  # the ring holds in order the grams that are not larger than any gram after them
    drop = power(gram)
    rolling = np.uint64(0)
    found, last = 0, -1
    for place in range(len(ids)):
        rolling = rolling * GOLDEN + mix(np.uint64(ids[place]) + np.uint64(1))
        start = place - gram + 1
        if start < 0:
            continue
        if start > 0:
            rolling -= drop * mix(np.uint64(ids[start - 1]) + np.uint64(1))
        value = mix(rolling)
        while tail > head and ring_hashes[(tail - 1) & mask] > value:
            tail -= 1
        ring_hashes[tail & mask] = value
        ring_places[tail & mask] = start
        tail += 1
        if start < width - 1:
            continue
        while ring_places[head & mask] <= start - width:
            head += 1
        if ring_places[head & mask] != last:
            last = ring_places[head & mask]
            hashes[found] = ring_hashes[head & mask]
            places[found] = last + offset
            found += 1
    return found


def regions(places: I64, starts: I64, gram: int, window: int) -> tuple[I64, I64]:
    """Return first token and end of the regions that hold all windows with an anchor at one of the sorted places.

    Regions do not overlap, and each lies within a document; starts are those of PartTokens.
    """
    document = np.searchsorted(starts, places, side="right") - 1
    first = np.maximum(places - (window - gram), starts[document])
    end = np.minimum(places + window, starts[document + 1])
    is_new = np.concatenate([[True], first[1:] >= end[:-1]])[: len(places)]
    is_last = np.concatenate([is_new[1:], [True]])[: len(places)]
    return first[is_new], end[is_last]
