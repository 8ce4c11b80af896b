"""The compiled part of `measures`: one text and its tokens in, all counts of the rules out.

n-grams, lines and paragraphs are compared by their 64-bit hashes. A wrong match is to be expected once in 10**11 pages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.web.characters import BREAK, LETTER, MARK, SPACE
from stages.web.kernels import kernel
from stages.web.words import BASE, KIND_CHARACTER, KIND_SYMBOL, SPREAD, flags_of

COUNTS = (
    *("chars", "tokens", "words", "characters", "word_chars", "letter_words"),
    *("stop_words", "written_stop_words", "function_words"),
    *("special_chars", "number_signs", "ellipses"),
    *("lines", "repeated_lines", "repeated_line_chars"),
    *("paragraphs", "repeated_paragraphs", "repeated_paragraph_chars"),
    *("text_lines", "all_lines", "bullet_lines", "plain_bullet_lines", "ellipsis_lines"),
    *("top_2", "top_3", "top_4"),
    *(f"repeated_{n}" for n in range(5, 11)),
    *("char_ngrams", "frequent_char_ngrams", "ngrams_5", "recurring_5", "ngrams_7", "recurring_7"),
)
"""What `count` returns, in its order; `measures.MEASURES` says what each is."""

NEWLINE, RETURN, DOT, NUMBER_SIGN = 0x0A, 0x0D, 0x2E, 0x23
ELLIPSIS = 0x2026
PLAIN_BULLETS = (0x2022, 0x2D)
BULLETS = (0x2022, 0x2D, 0x2023, 0x25E6, 0x25AA, 0x2A)
CHAR_NGRAM, UNSPACED_CHAR_NGRAM = 10, 3
"""Length of the character n-grams of BLOOM's rule, on a page of scripts with spaces and of scripts without."""
FIRST_STOP = 6
FIRST_SPECIAL = 9
FIRST_LINE = 12
FIRST_TEXT_LINE = 18
FIRST_NGRAM = 23
FIRST_CHAR_NGRAM = 32


@kernel
def count(codes: Any, characters: Any, tokens: Any, hashes: Any, stops: Any) -> Any:
    """Return int32 [len(COUNTS)] for a stripped text.

    `codes`: its characters; `characters`: the table; `tokens`: starts, ends, kinds; `hashes`: words.Hashes of them;
    `stops`: keys and values of a stop_words.StopTable.
    """
    starts, ends, kinds = tokens
    exact, power, lower, letters = hashes
    counts = np.zeros(len(COUNTS), dtype=np.int32)
    counts[0] = len(codes)
    counts[1] = len(starts)
    for token in range(len(starts)):
        counts[5] += letters[token]
        if kinds[token] != KIND_SYMBOL:
            counts[2] += 1
            counts[4] += ends[token] - starts[token]
            if kinds[token] == KIND_CHARACTER:
                counts[3] += 1
    _count_stops(tokens, hashes, stops, counts[FIRST_STOP:])
    _count_symbols(codes, characters, counts[FIRST_SPECIAL:])
    _count_blocks(codes, counts[FIRST_LINE:])
    _count_text_lines(codes, characters, counts[FIRST_TEXT_LINE:])
    keys = np.empty(_table_size(max(len(codes), len(starts), 1)), dtype=np.uint64)
    uses = np.empty(len(keys), dtype=np.int32)
    _count_ngrams(ends - starts, exact, power, (keys, uses), counts[FIRST_NGRAM:])
    size = UNSPACED_CHAR_NGRAM if 2 * counts[3] > counts[2] else CHAR_NGRAM
    _count_char_ngrams(codes, size, keys, uses, counts[FIRST_CHAR_NGRAM:])
    words = np.empty(counts[2], dtype=np.uint64)
    word = 0
    for token in range(len(starts)):
        if kinds[token] != KIND_SYMBOL:
            words[word] = lower[token]
            word += 1
    for place, n in enumerate((5, 7)):
        counts[FIRST_CHAR_NGRAM + 2 + 2 * place] = max(len(words) - n + 1, 0)
        counts[FIRST_CHAR_NGRAM + 3 + 2 * place] = _count_recurring(words, n, keys, uses)
    return counts


@kernel
def _table_size(items: Any) -> Any:
    size = 16
    while size < 2 * items:
        size *= 2
    return size


@kernel
def find_slot(keys: Any, hashed: Any) -> Any:
    """Return where a hash is in a table whose length is a power of two, or the free place (0) where it belongs."""
    mask = np.uint64(len(keys) - 1)
    slot = ((hashed ^ (hashed >> np.uint64(32))) * SPREAD >> np.uint64(32)) & mask
    while keys[slot] != 0 and keys[slot] != hashed:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _is_new(keys: Any, hashed: Any) -> Any:
    """Return whether a hash comes for the first time, and remember it."""
    hashed = hashed | np.uint64(hashed == 0)
    slot = find_slot(keys, hashed)
    if keys[slot] == hashed:
        return False
    keys[slot] = hashed
    return True


@kernel
def _used_before(keys: Any, uses: Any, hashed: Any) -> Any:
    """Return how often a hash came before, and count it. `uses` need not be cleared."""
    hashed = hashed | np.uint64(hashed == 0)
    slot = find_slot(keys, hashed)
    if keys[slot] == hashed:
        uses[slot] += 1
        return uses[slot] - 1
    keys[slot] = hashed
    uses[slot] = 1
    return 0


@kernel
def _count_stops(tokens: Any, hashes: Any, stops: Any, counts: Any) -> Any:
    """Different stop words, those of them in lower case, and function words with repeats, pairs of characters too."""
    starts, ends, kinds = tokens
    exact, power, lower, _ = hashes
    keys, values = stops
    found, written = np.uint64(0), np.uint64(0)
    for token in range(len(starts)):
        slot = find_slot(keys, lower[token])
        if keys[slot] != 0:
            bit = np.uint64(1) << np.uint64(values[slot] & 63)
            if values[slot] & 64:
                found |= bit
                if exact[token] == lower[token]:
                    written |= bit
            counts[2] += values[slot] >> 7
        if token and kinds[token] == KIND_CHARACTER and kinds[token - 1] == KIND_CHARACTER:
            slot = find_slot(keys, lower[token - 1] * power[token] + lower[token])
            if keys[slot] != 0 and ends[token - 1] == starts[token]:
                counts[2] += values[slot] >> 7
    for bit in range(64):
        counts[0] += (found >> np.uint64(bit)) & np.uint64(1)
        counts[1] += (written >> np.uint64(bit)) & np.uint64(1)


@kernel
def _count_symbols(codes: Any, characters: Any, counts: Any) -> Any:
    """Characters that are no letters, number signs, ellipses (three dots, none of them counted twice, or the sign)."""
    special, signs, ellipses, dots = 0, 0, 0, 0
    for code in codes:
        special += flags_of(code, characters) & (LETTER | MARK) == 0
        signs += code == NUMBER_SIGN
        dots = dots + 1 if code == DOT else 0
        if code == ELLIPSIS or dots == 3:
            ellipses += 1
            dots = 0
    counts[0], counts[1], counts[2] = special, signs, ellipses


@kernel
def _count_blocks(codes: Any, counts: Any) -> Any:
    """Lines (divided by newlines) and paragraphs (by two or more): all, repeated ones, their characters."""
    newlines = 0
    for code in codes:
        newlines += code == NEWLINE
    line_keys = np.zeros(_table_size(newlines + 1), dtype=np.uint64)
    paragraph_keys = np.zeros(len(line_keys), dtype=np.uint64)
    line, paragraph = np.uint64(0), np.uint64(0)
    line_start, paragraph_start, place = 0, 0, 0
    while place <= len(codes):
        run = place
        while run < len(codes) and codes[run] == NEWLINE:
            run += 1
        if run == place and place < len(codes):
            value = np.uint64(codes[place] + 1) * SPREAD
            value ^= value >> np.uint64(32)
            line = line * BASE + value
            paragraph = paragraph * BASE + value
            place += 1
            continue
        is_end = place == len(codes)
        counts[0] += 1
        if not _is_new(line_keys, line):
            counts[1] += 1
            counts[2] += place - line_start
        if is_end or run - place > 1:
            counts[3] += 1
            if not _is_new(paragraph_keys, paragraph):
                counts[4] += 1
                counts[5] += place - paragraph_start
            paragraph, paragraph_start = np.uint64(0), run
        else:
            paragraph = paragraph * BASE + np.uint64(1)
        line, line_start = np.uint64(0), run
        place = run + 1 if is_end else run


@kernel
def _count_text_lines(codes: Any, characters: Any, counts: Any) -> Any:
    """Lines as `str.splitlines` cuts them: with text, all, with a bullet of any kind, a plain bullet, an ellipsis."""
    start = 0
    for place in range(len(codes) + 1):
        if place < len(codes) and not flags_of(codes[place], characters) & BREAK:
            continue
        first, last = start, place
        if place and place < len(codes) and codes[place] == NEWLINE and codes[place - 1] == RETURN:
            start = place + 1  # the second half of one line break
            continue
        start = place + 1
        while first < last and flags_of(codes[first], characters) & SPACE:
            first += 1
        while first < last and flags_of(codes[last - 1], characters) & SPACE:
            last -= 1
        counts[1] += len(codes) > 0
        if first == last:
            continue
        counts[0] += 1
        counts[2] += codes[first] in BULLETS
        counts[3] += codes[first] in PLAIN_BULLETS
        has_dots = last - first > 2 and codes[last - 1] == DOT and codes[last - 2] == DOT and codes[last - 3] == DOT
        counts[4] += has_dots or codes[last - 1] == ELLIPSIS


@kernel
def _count_ngrams(lengths: Any, exact: Any, power: Any, tables: Any, counts: Any) -> Any:
    """Characters in the most frequent n-gram (n of 2..4, tokens joined by spaces) and in n-grams seen before (5..10).

    As datatrove counts: of equally frequent n-grams the first is taken; repeated ones do not overlap each other, and
    are compared joined without spaces.
    """
    keys, uses = tables
    num_tokens = len(lengths)
    spaced, joined = exact.copy(), exact.copy()
    table = keys[: _table_size(max(num_tokens, 1))]
    space = np.uint64(0x20 + 1) * SPREAD
    space ^= space >> np.uint64(32)
    for n in range(2, 11):
        for first in range(num_tokens - n + 1):
            last = first + n - 1
            if n <= 4:
                spaced[first] = (spaced[first] * BASE + space) * power[last] + exact[last]
            joined[first] = joined[first] * power[last] + exact[last]
        table[:] = 0
        if n <= 4:
            counts[n - 2] = _top_chars(lengths, spaced, n, table, uses)
        else:
            counts[n - 2] = _repeated_chars(lengths, joined, n, table)


@kernel
def _top_chars(lengths: Any, ngrams: Any, n: Any, keys: Any, uses: Any) -> Any:
    most, top = 0, 0
    first_place = np.empty(len(keys), dtype=np.int32)
    for first in range(len(lengths) - n + 1):
        hashed = ngrams[first] | np.uint64(ngrams[first] == 0)
        slot = find_slot(keys, hashed)
        if keys[slot] == 0:
            keys[slot] = hashed
            uses[slot] = 0
            first_place[slot] = first
        uses[slot] += 1
        if uses[slot] > most or (uses[slot] == most and first_place[slot] < top):
            most, top = uses[slot], first_place[slot]
    chars = n - 1
    for token in range(top, top + n if most else top):
        chars += lengths[token]
    return chars * most


@kernel
def _repeated_chars(lengths: Any, ngrams: Any, n: Any, keys: Any) -> Any:
    chars, first = 0, 0
    while first < len(lengths) - n + 1:
        if _is_new(keys, ngrams[first]):
            first += 1
            continue
        for token in range(first, first + n):
            chars += lengths[token]
        first += n
    return chars


@kernel
def _count_char_ngrams(codes: Any, n: Any, keys: Any, uses: Any, counts: Any) -> Any:
    """All character n-grams, and those of the most frequent: as many different ones as the root of their number."""
    total = max(len(codes) - n + 1, 0)
    counts[0] = total
    table = keys[: _table_size(max(total, 1))]
    table[:] = 0
    drop = np.uint64(1)
    for _ in range(n):
        drop *= BASE
    hashed = np.uint64(0)
    distinct, most = 0, 0
    for place in range(len(codes)):
        value = np.uint64(codes[place] + 1) * SPREAD
        hashed = hashed * BASE + (value ^ (value >> np.uint64(32)))
        if place >= n:
            value = np.uint64(codes[place - n] + 1) * SPREAD
            hashed -= drop * (value ^ (value >> np.uint64(32)))
        if place >= n - 1:
            before = _used_before(table, uses, hashed)
            distinct += before == 0
            most = max(most, before + 1)
    if most < 2:
        return
    num_with = np.zeros(most + 1, dtype=np.int32)
    for slot in range(len(table)):
        if table[slot] != 0:
            num_with[uses[slot]] += 1
    left = int(np.sqrt(distinct))
    for often in range(most, 1, -1):
        taken = min(left, num_with[often])
        counts[1] += taken * often
        left -= taken


@kernel
def _count_recurring(words: Any, n: Any, keys: Any, uses: Any) -> Any:
    """Word n-grams that occur more than once, all of their occurrences."""
    total = max(len(words) - n + 1, 0)
    table = keys[: _table_size(max(total, 1))]
    table[:] = 0
    drop = np.uint64(1)
    for _ in range(n):
        drop *= BASE
    hashed = np.uint64(0)
    recurring = 0
    for last in range(len(words)):
        hashed = hashed * BASE + (words[last] ^ (words[last] >> np.uint64(29)))
        if last >= n:
            hashed -= drop * (words[last - n] ^ (words[last - n] >> np.uint64(29)))
        if last >= n - 1:
            before = _used_before(table, uses, hashed)
            recurring += 2 if before == 1 else before > 1
    return recurring
