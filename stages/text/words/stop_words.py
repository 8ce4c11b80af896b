"""Stop words and function words by language, as tables for compiled code.

Stop words are the few commonest words of a language (Gopher's rule). Function words are all words without content
(BLOOM's rule). The lists are stages/text/data/stop_words.txt and function_words.txt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from stages.shared.errors import ConfigError
from stages.text.compiled.arrays import U8, U64
from stages.text.compiled.hash_table import find_slot
from stages.text.word_lists import FUNCTION_WORDS, STOP_WORDS, words_by_language
from stages.text.words.tokens import string_hash

MAX_STOP_WORDS = 64
"""Different stop words are counted in the bits of one number."""
IS_STOP_WORD, IS_FUNCTION_WORD = 64, 128


class StopTable(NamedTuple):
    """The lists of one language as a hash table, its length a power of two."""

    keys: U64
    """`Hashes.lower` of the words; 0 is a free slot."""
    values: U8
    """Bits 0 to 5: number of a stop word; IS_STOP_WORD; IS_FUNCTION_WORD."""


class StopWords:
    """The lists of all languages."""

    def __init__(self, own: Mapping[str, Sequence[str]] | None = None) -> None:
        """Take the shipped lists; `own` stop words replace those of their languages.

        Raises ConfigError if a language has more than MAX_STOP_WORDS.
        """
        self.stop = {**words_by_language(STOP_WORDS), **{code: tuple(words) for code, words in (own or {}).items()}}
        self.function = words_by_language(FUNCTION_WORDS)
        self._tables: dict[str, StopTable] = {}
        for code, words in self.stop.items():
            if len(set(words)) > MAX_STOP_WORDS:
                raise ConfigError(f"quality.stop_words.{code}", len(words), f"at most {MAX_STOP_WORDS} words")

    def table(self, language: str) -> StopTable:
        """Return the table of a language; an empty one if it has no list."""
        if language not in self._tables:
            self._tables[language] = make_table(self.stop.get(language, ()), self.function.get(language, ()))
        return self._tables[language]


@lru_cache(maxsize=1)
def shipped() -> StopWords:
    """Return the lists that ship with the project."""
    return StopWords()


def make_table(stop: Sequence[str], function: Sequence[str]) -> StopTable:
    """Return the table of two lists; a stop word is a function word too."""
    numbers = {string_hash(word): number for number, word in enumerate(sorted({word.lower() for word in stop}))}
    hashes = {*numbers, *(string_hash(word.lower()) for word in function)}
    size = 1 << max(4, (4 * len(hashes)).bit_length())
    table = StopTable(np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.uint8))
    for hashed in sorted(hashes):
        slot = find_slot(table.keys, np.uint64(hashed))
        table.keys[slot] = hashed
        table.values[slot] = IS_FUNCTION_WORD | (IS_STOP_WORD | numbers[hashed] if hashed in numbers else 0)
    return table
