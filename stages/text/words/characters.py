"""The table of characters for compiled code: letter, mark, space, script without spaces, lower case.

Each process makes the table once, in a tenth of a second, from Python's own Unicode data: it agrees with `str` and
`re`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np

from stages.text.compiled.arrays import U32

WORD = 1
"""A letter, a digit or an underscore: words consist of them (`\\w`)."""
MARK = 2
"""A combining mark or an invisible format character: part of the character before it."""
SKIP = 4
"""White space, the zero-width space and the byte order mark: they separate tokens and are in none."""
SPACE = 8
"""White space (`str.isspace`)."""
BREAK = 16
"""Ends a line (`str.splitlines`)."""
LETTER = 32
"""`str.isalpha`."""
UPPER = 64
"""`str.isupper`."""
UNSPACED = 128
"""A letter of a script without spaces between words: each counts as a word."""
LOWER_SHIFT = 8
"""From this bit on: the character in lower case, or itself where that is more than one character."""

SIZE = 0x40000
"""Code points in the table. Above it Unicode has 337 marks (see tokens.flags_of) and characters for private use."""

ZERO_WIDTH = ("\u200b", "\ufeff")
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# fmt: off
UNSPACED_SCRIPTS = (
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x302F), (0x3031, 0x303C), (0x3041, 0x30FF),  # Han, kana
    (0x3105, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF),
    (0x0E00, 0x0E7F), (0x0E80, 0x0EFF), (0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F),  # Thai, Lao, Myanmar
    (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0xAA80, 0xAADF),  # Khmer, the Tai scripts
)
# fmt: on
"""First and last code points of the blocks of such scripts."""


@lru_cache(maxsize=1)
def character_table() -> U32:
    """Return uint32 [SIZE]: the flags above, and from bit LOWER_SHIFT on the character in lower case."""
    everything = [chr(code) for code in range(SIZE)]
    text = "".join(everything)
    flags = np.zeros(SIZE, dtype=np.uint32)
    for pattern, flag in ((r"\w+", WORD), (r"\s+", SKIP | SPACE), (f"[{LINE_BREAKS}]+", BREAK)):
        for run in re.finditer(pattern, text):
            flags[run.start() : run.end()] |= flag
    for method, flag in ((str.isalpha, LETTER), (str.isupper, UPPER)):
        flags[np.fromiter(map(method, everything), dtype=bool, count=SIZE)] |= flag
    marks = [category[0] == "M" or category == "Cf" for category in map(unicodedata.category, everything)]
    flags[np.array(marks) & (flags & WORD == 0)] |= MARK
    for character in ZERO_WIDTH:
        flags[ord(character)] = SKIP
    is_digit = np.fromiter(map(str.isdecimal, everything), dtype=bool, count=SIZE)
    for first, last in UNSPACED_SCRIPTS:
        block = slice(first, last + 1)
        flags[block][(flags[block] & WORD > 0) & ~is_digit[block]] |= UNSPACED
    lower = [ord(low) if len(low) == 1 else code for code, low in enumerate(map(str.lower, everything))]
    return flags | (np.array(lower, dtype=np.uint32) << np.uint32(LOWER_SHIFT))
