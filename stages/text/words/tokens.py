"""Tokens: splits a text into words and symbols. Compiled, one pass, hundreds of times faster than a tokenizer library.

Repetition, quality, line-wise correction and deduplication use the same tokens.

- A word is a run of letters, digits and underscores; an apostrophe between two of them does not end it ("don't").
- A letter of a script without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) is a word by itself. The character
  decides, not a language label, so mixed text is split as well: "iPhone手机" is three words.
- Any other visible character is a token of its own, a symbol.
- Combining marks and invisible format characters belong to the token before them: a vowel sign never splits a word.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from stages.text.compiled.arrays import I32, U8, U32, U64
from stages.text.compiled.hashing import GOLDEN, SPREAD, hash_character
from stages.text.compiled.kernels import kernel
from stages.text.words.characters import LETTER, LOWER_SHIFT, MARK, SIZE, SKIP, UNSPACED, WORD, character_table

KIND_SYMBOL, KIND_WORD, KIND_CHARACTER = 0, 1, 2
"""Kinds of token: a symbol, a word of a script with spaces, one letter of a script without."""
APOSTROPHE, CURLY_APOSTROPHE = 0x27, 0x2019


class Split(NamedTuple):
    """The tokens of a text, in order; arrays of one length."""

    starts: I32
    """First character of each token, counted in characters of the text."""
    ends: I32
    """One past its last character."""
    kinds: U8
    """KIND_SYMBOL, KIND_WORD or KIND_CHARACTER."""


class Hashes(NamedTuple):
    """Hashes of the tokens of a text, in order; arrays of one length."""

    exact: U64
    """Rolling hash of the token as written: `exact(a + b) == exact(a) * power(b) + exact(b)`."""
    power: U64
    """GOLDEN to the power of the token's length."""
    lower: U64
    """The same hash of the token in lower case, character by character."""
    letters: U8
    """1 if the token has a letter."""


def code_points(text: str) -> U32:
    """Return the characters of a text as uint32 [len(text)], lone surrogates too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@lru_cache(maxsize=4)  # the blocks of a pipeline split the same page one after the other
def split(text: str) -> Split:
    """Return all tokens of a text."""
    return Split(*_split(code_points(text), character_table()))


def token_hashes(text: str) -> U64:
    """Return a hash for each token of `split(text)`, exactly as written."""
    found = split(text)
    return _finish(hash_tokens(code_points(text), found.starts, found.ends).exact)


def word_hashes(text: str) -> U64:
    """Return a hash for each word, in lower case, without symbols."""
    found = split(text)
    is_word = found.kinds != KIND_SYMBOL
    return _finish(hash_tokens(code_points(text), found.starts[is_word], found.ends[is_word]).lower)


def tokens(text: str) -> list[str]:
    """Return words and symbols, in order."""
    found = split(text)
    return [text[start:end] for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True)]


def words(text: str) -> list[str]:
    """Return the words, without symbols, in order."""
    found = split(text)
    is_word = found.kinds != KIND_SYMBOL
    starts, ends = found.starts[is_word].tolist(), found.ends[is_word].tolist()
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def count_tokens(text: str) -> int:
    """Return the number of words and symbols."""
    return len(split(text).starts)


def count_words(text: str) -> int:
    """Return the number of words."""
    return int(np.count_nonzero(split(text).kinds))


def hash_tokens(codes: U32, starts: I32, ends: I32) -> Hashes:
    """Return the hashes of the tokens at these places of `codes`."""
    return Hashes(*_hash(codes, starts, ends, character_table()))


def string_hash(word: str) -> int:
    """Return `Hashes.exact` of one string."""
    codes = code_points(word)
    return int(hash_tokens(codes, np.zeros(1, np.int32), np.array([len(codes)], np.int32)).exact[0])


def _finish(hashes: U64) -> U64:
    """Return the hashes with every bit depending on every other: a polynomial's low bits know low bits only."""
    mixed = (hashes ^ (hashes >> np.uint64(32))) * SPREAD
    mixed = (mixed ^ (mixed >> np.uint64(32))) * SPREAD
    return mixed ^ (mixed >> np.uint64(32))


@kernel
def flags_of(code: np.uint32, characters: U32) -> np.uint32:
    """Return the table's entry of a code point, also beyond the table's end."""
    if code < SIZE:
        return np.uint32(characters[code])
    lower = np.uint32(0xFFFFFF & code) << np.uint32(LOWER_SHIFT)
    is_mark = 0xE0020 <= code < 0xE0080 or 0xE0100 <= code < 0xE01F0 or code == 0xE0001
    return np.uint32(lower | np.uint32(MARK if is_mark else 0))


@kernel
def _split(codes: U32, characters: U32) -> tuple[I32, I32, U8]:  # one loop: a call for each token takes twice the time
    num_codes = len(codes)
    starts = np.empty(num_codes, dtype=np.int32)
    ends = np.empty(num_codes, dtype=np.int32)
    kinds = np.empty(num_codes, dtype=np.uint8)
    count, place = 0, 0
    while place < num_codes:
        flags = flags_of(codes[place], characters)
        start = place
        place += 1
        if flags & SKIP:
            continue
        kind = KIND_SYMBOL
        if flags & UNSPACED:
            kind = KIND_CHARACTER
        elif flags & WORD:
            kind = KIND_WORD
        while place < num_codes:
            flags = flags_of(codes[place], characters)
            if flags & MARK or (kind == KIND_WORD and flags & (WORD | UNSPACED) == WORD):
                place += 1
            elif kind == KIND_WORD and (codes[place] == APOSTROPHE or codes[place] == CURLY_APOSTROPHE):
                if place + 1 == num_codes or flags_of(codes[place + 1], characters) & (WORD | UNSPACED) != WORD:
                    break
                place += 2
            else:
                break
        starts[count] = start
        ends[count] = place
        kinds[count] = kind
        count += 1
    return starts[:count].copy(), ends[:count].copy(), kinds[:count].copy()


@kernel
def _hash(codes: U32, starts: I32, ends: I32, characters: U32) -> tuple[U64, U64, U64, U8]:
    num_tokens = len(starts)
    exact = np.empty(num_tokens, dtype=np.uint64)
    power = np.empty(num_tokens, dtype=np.uint64)
    lower = np.empty(num_tokens, dtype=np.uint64)
    letters = np.empty(num_tokens, dtype=np.uint8)
    for token in range(num_tokens):
        as_written, in_lower, scale = np.uint64(0), np.uint64(0), np.uint64(1)
        has_letter = 0
        for place in range(starts[token], ends[token]):
            flags = flags_of(codes[place], characters)
            as_written = as_written * GOLDEN + hash_character(codes[place])
            in_lower = in_lower * GOLDEN + hash_character(flags >> LOWER_SHIFT)
            scale *= GOLDEN
            if flags & LETTER:
                has_letter = 1
        exact[token], power[token], lower[token], letters[token] = as_written, scale, in_lower, has_letter
    return exact, power, lower, letters
