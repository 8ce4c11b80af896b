"""Random texts of the characters that break programs: for comparisons of compiled code with plain Python."""

from __future__ import annotations

import random
from collections.abc import Iterator

ALPHABETS = (
    "ab Ab\n",
    "aé '’-_.…#•*\n\r\t 0½Ⅷ²",
    "the of and to The OF\n\n",
    "手机的是 了ー々〆、。\n",
    "สวัสดีครับ ไทยက္ခ\u200b ",
    "हिन्दी भाषा\u0301\u200d\u200c\u00ad\ufe0f\ufeff",
    "\u202eשלוםمرحبا\u0660 \u2067",
    "\x00\x1c\x1d\x85\u2028\u2029\v\f a.\n",
    "👩‍👧❤️🏳️‍🌈 x",
    "\ud800\udfff\udc00a\n",
    "\U000e0101\U000e01f0\U0010ffff\U000f0000\U0003ffff\U00040000z ",
    "ǅİıſßΣςK aA\n",
)
SPECIAL = (
    *("", " ", "\n", "a", ".", "...", "…", "''", "a'", "'a", "a''b", "\x00", "\ud800", "\r\n\r\n"),
    *("a" * 1_000_000, "手" * 20_000, "a\n" * 5_000, "\u0301" * 1_000, " \n" * 1_000 + "x"),
)


def texts(seed: int, count: int) -> Iterator[str]:
    """Yield the special texts, then random ones; of few different words, so that things repeat."""
    yield from SPECIAL
    draw = random.Random(seed)
    for _ in range(count):
        alphabet = "".join(draw.sample(ALPHABETS, draw.randint(1, 3)))
        words = ["".join(draw.choices(alphabet, k=draw.randint(1, 6))) for _ in range(draw.randint(1, 12))]
        gap = draw.choice((" ", "", "\n", "\n\n", " \n"))
        yield gap.join(draw.choices(words, k=draw.randint(1, 150)))
