"""Features of a text as fastText takes them: words and pairs of neighbours, the pairs by hash. fastText's own numbers.

Source: facebookresearch/fastText, src/dictionary.cc (hash, addWordNgrams, getLine).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stages.text.compiled.arrays import I32, I64
from stages.text.compiled.kernels import kernel
from stages.text.words.tokens import tokens

END = "</s>"
"""fastText's word at the end of each line."""
PRIME, OFFSET = 16777619, 2166136261
PAIR = np.uint64(116049371)


def plain(text: str) -> str:
    """Return a text in one line, as DCLM's classifier reads it."""
    return text.replace("\n", " ").strip()


def split(text: str) -> str:
    """Return a text's words and symbols, in any script, with spaces between them."""
    return " ".join(tokens(text))


def hash_word(word: str) -> int:
    """Return fastText's hash of a word: FNV-1a over bytes that have a sign, as a 32-bit number with a sign."""
    value = OFFSET
    for byte in word.encode("utf-8", "replace"):
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * PRIME) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


@dataclass
class Vocabulary:
    """Words with their numbers, the most frequent first."""

    words: dict[str, int]
    counts: list[int]
    buckets: int
    """Rows that pairs share by their hashes."""
    _hashes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str], min_count: int, buckets: int) -> Vocabulary:
        """Return the words that stand in lines so often; equally frequent ones in order of their first line."""
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update((*line.split(), END))
        kept = [(word, count) for word, count in counts.most_common() if count >= min_count or word == END]
        return cls({word: place for place, (word, _) in enumerate(kept)}, [count for _, count in kept], buckets)

    @property
    def rows(self) -> int:
        """Rows of features."""
        return len(self.words) + self.buckets

    def features(self, line: str) -> I32:
        """Return the rows of a line's words, then of its pairs."""
        words = [*line.split(), END]
        hashes = np.fromiter(map(self._hash, words), np.int32, len(words))
        known = np.array([self.words[word] for word in words if word in self.words], np.int32)
        return np.concatenate([known, pairs(hashes, self.buckets, len(self.words))])

    def _hash(self, word: str) -> int:
        found = self._hashes.get(word)
        if found is None:
            found = self._hashes[word] = hash_word(word)
        return found


@kernel
def pairs(hashes: I32, buckets: int, first: int) -> I32:
    """Return the row of each pair of neighbours: rows from `first` on, by the hash of both words."""
    found = np.empty(max(0, len(hashes) - 1), np.int32)
    for place in range(len(found)):
        value = np.uint64(np.int64(hashes[place])) * PAIR + np.uint64(np.int64(hashes[place + 1]))
        found[place] = first + np.int64(value % np.uint64(buckets))
    return found


def joined(parts: list[I32]) -> tuple[I32, I64]:
    """Return all features in one array, and where each text's begin, with the end of the last."""
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=starts[1:])
    return np.concatenate([np.empty(0, np.int32), *parts]), starts
