"""ROUGE-L between short texts, exactly and fast: the similarity by which Self-Instruct keeps its pool diverse.

F = 2 L / (m + n) for texts of m and n words with a longest common subsequence of L (Lin, ROUGE, 2004, with equal
weights of precision and recall). Words are runs of letters and digits in lower case, without stemming: those of the
package `rouge-score` for English. That package drops every other letter. Here they count, and in scripts without spaces
each character is a word.

Cost: texts times the pool, 20 million pairs a second on one core (tests/bench/rouge.py).
"""

from __future__ import annotations

import re
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.text.compiled.arrays import I32, I64, U64
from stages.text.compiled.kernels import kernel
from stages.text.words.characters import UNSPACED_SCRIPTS

Number = TypeVar("Number", np.int32, np.int64)
_UNSPACED = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED_SCRIPTS)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_BITS = 64


def rouge_words(text: str) -> list[str]:
    """Return the words of a text as ROUGE counts them."""
    return _WORD.findall(text.lower())


class RougeIndex:
    """A pool of texts that grows, and the most similar one to a new text."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words = np.zeros(1024, dtype=np.int32)
        self._ends = np.zeros(256, dtype=np.int64)
        self._masks = np.zeros((256, 1), dtype=np.uint64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, text: str) -> None:
        """Add a text to the pool; its number is the pool's size before."""
        numbers = self._numbered(text)
        start = int(self._ends[self._size])
        self._words = _grown(self._words, start + len(numbers))
        self._ends = _grown(self._ends, self._size + 2)
        self._words[start : start + len(numbers)] = numbers
        self._size += 1
        self._ends[self._size] = start + len(numbers)

    def nearest(self, text: str, least: float = 0.0) -> tuple[float, int]:
        """Return the highest F of a text of the pool with this one, and the first number that has it.

        (0.0, -1) if no text has more than `least`, which saves the pairs of lengths that cannot have it.
        """
        numbers = self._numbered(text)
        if not numbers:
            return 0.0, -1
        blocks = -(-len(numbers) // _BITS)
        if self._masks.shape[0] < len(self._numbers) or self._masks.shape[1] < blocks:
            rows = max(2 * len(self._numbers), self._masks.shape[0])
            self._masks = np.zeros((rows, max(blocks, self._masks.shape[1])), dtype=np.uint64)
        asked = np.array(numbers, dtype=np.int32)
        best, number = _nearest(self._words, self._ends, self._size, asked, self._masks, least)
        return float(best), int(number)

    def _numbered(self, text: str) -> list[int]:
        return [self._numbers.setdefault(word, len(self._numbers)) for word in rouge_words(text)]


def _grown(array: NDArray[Number], size: int) -> NDArray[Number]:
    """Return the array, or a copy with room for `size` and as much again."""
    if size <= len(array):
        return array
    larger = np.zeros(2 * size, dtype=array.dtype)
    larger[: len(array)] = array
    return larger


@kernel
def _nearest(words: I32, ends: I64, size: int, asked: I32, masks: U64, least: float) -> tuple[float, int]:
    """Return the best F above `least` and its text. `masks` [words, blocks] is zero, and is so again at the end."""
    one = np.uint64(1)
    blocks = (len(asked) + 63) // 64
    for place in range(len(asked)):
        masks[asked[place], place // 64] |= one << np.uint64(place % 64)
    best, number = least, -1
    state = np.empty(blocks, dtype=np.uint64)
    for text in range(size):
        start, end = ends[text], ends[text + 1]
        both = len(asked) + end - start
        if 2.0 * min(len(asked), end - start) / both > best:
            common = _longest_common(words[start:end], masks, state)
            if 2.0 * common / both > best:
                best, number = 2.0 * common / both, text
    for place in range(len(asked)):
        masks[asked[place], :] = np.uint64(0)
    return (best, number) if number >= 0 else (0.0, -1)


@kernel
def _longest_common(words: I32, masks: U64, state: U64) -> int:
    """Return the length of the longest common subsequence with the text whose places `masks` holds, by word.

    A bit of `state` is a word of that text. Source: Hyyrö, Bit-parallel LCS-length computation revisited, 2004.
    """
    state[:] = ~np.uint64(0)
    for word in words:
        carry = np.uint64(0)
        for block in range(len(state)):
            held = state[block]
            common = held & masks[word, block]
            total = held + common
            overflow = total < held
            total += carry
            carry = np.uint64(overflow or total < carry)
            state[block] = total | (held & ~common)
    length = 0
    for block in range(len(state)):
        zeros = ~state[block]
        while zeros:
            zeros &= zeros - np.uint64(1)
            length += 1
    return length
