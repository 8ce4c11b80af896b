"""Overlap of texts with a set of items, such as the questions of an exam: n-grams of words in a compact index.

An item is in a text if they share an n-gram of 13 words, as in GPT-3 (arXiv:2005.14165, appendix C). In a script
without spaces each character is a word. Case, width, punctuation, apostrophes and white space count for nothing. An
item of fewer words is looked for as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from stages.shared.errors import DataError
from stages.text.compiled.arrays import I32, I64, U32, U64
from stages.text.overlap.grams import grams_of, hash_words, matches
from stages.text.words.characters import character_table
from stages.text.words.tokens import KIND_CHARACTER, KIND_SYMBOL, code_points, split

BITS = 32
"""Bits of the filter in front of the index for each n-gram: one of 32 n-grams that no item has passes it."""


class Overlap(NamedTuple):
    """A run of n-grams that a text shares with an item."""

    item: int
    """Number of the item."""
    first: int
    end: int
    """Tokens of `tokens.split` that it takes: from the first one to one past its last."""
    words: int
    """Words among them."""


@dataclass(frozen=True)
class Sizes:
    """Words of an n-gram."""

    words: int = 13
    """In scripts with spaces."""
    characters: int = 13
    """In scripts without."""
    least: int = 8
    """Words or characters of an item that is looked for, at least."""


class OverlapIndex:
    """Sorted hashes of n-grams with the item of each, and a filter of bits in front of them.

    Memory: 12 bytes an n-gram, and 4 to 8 for the filter.
    """

    def __init__(self, lengths: I64, grams: U64, items: I32, short: I32) -> None:
        """`grams` are sorted; `items` are their items; `lengths` the words of n-grams that occur; `short` see below."""
        self.lengths, self.grams, self.items = lengths, grams, items
        self.short = short
        """Items that are too short to be looked for."""
        size = 64
        while size < BITS * len(grams):
            size *= 2
        self._bits = np.zeros(size // 64, np.uint64)
        places = grams & np.uint64(size - 1)
        np.bitwise_or.at(self._bits, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))

    @classmethod
    def of(cls, items: Sequence[str], sizes: Sizes, most_items: int = 10) -> OverlapIndex:
        """Return the index of items. An n-gram of more than `most_items` items is part of a form, and left out."""
        grams, owners, short, lengths = [], [], [], set()
        for number, text in enumerate(items):
            hashes, _, unspaced = word_hashes(text)
            most = sizes.characters if 2 * np.count_nonzero(unspaced) > len(hashes) else sizes.words
            length = min(len(hashes), most)
            if length < min(sizes.least, most):
                short.append(number)
                continue
            found = np.unique(grams_of(hashes, length))
            grams.append(found)
            owners.append(np.full(len(found), number, np.int32))
            lengths.add(length)
        every = np.concatenate([np.empty(0, np.uint64), *grams])
        order = np.argsort(every, kind="stable")
        every, owner = every[order], np.concatenate([np.empty(0, np.int32), *owners])[order]
        _, inverse, counts = np.unique(every, return_inverse=True, return_counts=True)
        kept = counts[inverse] <= most_items
        return cls(np.array(sorted(lengths), np.int64), every[kept], owner[kept], np.array(short, np.int32))

    @property
    def mb(self) -> float:
        """Size in memory."""
        return sum(array.nbytes for array in (self.grams, self.items, self._bits)) / 1e6

    def find(self, text: str) -> list[Overlap]:
        """Return the runs of n-grams that a text shares with items, by item and place."""
        hashes, places, _ = word_hashes(text)
        spans: dict[int, list[tuple[int, int]]] = {}
        for first, length, gram in matches(hashes, self.lengths, self.grams, self._bits).tolist():
            spans.setdefault(int(self.items[gram]), []).append((first, first + length))
        return [
            Overlap(item, int(places[first]), int(places[end - 1]) + 1, end - first)
            for item, pairs in sorted(spans.items())
            for first, end in _joined(sorted(pairs))
        ]

    def save(self, path: Path) -> None:
        """Write the index."""
        with path.open("wb") as file:
            np.savez(file, lengths=self.lengths, grams=self.grams, items=self.items, short=self.short)

    @classmethod
    def load(cls, path: Path) -> OverlapIndex:
        """Return a saved index. Raises DataError, naming the file, if it is none."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(*(arrays[name] for name in ("lengths", "grams", "items", "short")))
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(path, f"no index of n-grams ({error})", "Run the step that makes it again") from error


def word_hashes(text: str) -> tuple[U64, I32, U32]:
    """Return each word's hash, its place among the tokens, and 1 for a letter of a script without spaces."""
    found = split(text)
    places = np.flatnonzero(found.kinds != KIND_SYMBOL).astype(np.int32)
    hashes = hash_words(code_points(text), found.starts[places], found.ends[places], character_table())
    return hashes, places, (found.kinds[places] == KIND_CHARACTER).astype(np.uint32)


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sorted spans, those that touch as one."""
    found: list[tuple[int, int]] = []
    for first, end in spans:
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((first, end))
    return found
