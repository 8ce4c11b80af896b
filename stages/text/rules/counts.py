"""Counts of a text, compiled: one text and its tokens in, all measures of the rules out.

n-grams, lines and paragraphs are compared by their 64-bit hashes. A wrong match is to be expected once in 10**11 pages.
"""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import I32, U8, U32, U64
from stages.text.compiled.hash_table import find_slot, table_size
from stages.text.compiled.hashing import GOLDEN, hash_character, power
from stages.text.compiled.kernels import kernel
from stages.text.words.characters import BREAK, LETTER, MARK, SPACE
from stages.text.words.tokens import KIND_CHARACTER, KIND_SYMBOL, flags_of

COUNTS = {
    "chars": "characters",
    "tokens": "words and symbols",
    "words": "words",
    "characters": "words that are one letter of a script without spaces",
    "word_chars": "characters in words",
    "letter_words": "tokens with a letter",
    "stop_words": "different stop words; -1 if the language has no list",
    "written_stop_words": "different stop words that occur in lower case; -1 if the language has no list",
    "function_words": "words and pairs of characters on the list of function words; -1 if the language has no list",
    "special_chars": "characters that are neither letters nor marks",
    "number_signs": "`#`",
    "ellipses": "`...` and `…`",
    "lines": "lines, divided by newlines",
    "repeated_lines": "lines that occurred before",
    "repeated_line_chars": "characters in repeated lines",
    "paragraphs": "paragraphs, divided by empty lines",
    "repeated_paragraphs": "paragraphs that occurred before",
    "repeated_paragraph_chars": "characters in repeated paragraphs",
    "text_lines": "lines with text, divided as by `str.splitlines`",
    "all_lines": "all lines, divided as by `str.splitlines`",
    "bullet_lines": "lines that start with a bullet",
    "plain_bullet_lines": "lines that start with `•` or `-`",
    "ellipsis_lines": "lines that end with an ellipsis",
    **{f"top_{n}": f"characters in all occurrences of the most frequent {n}-gram of tokens" for n in range(2, 5)},
    **{f"repeated_{n}": f"characters in {n}-grams of tokens that occurred before" for n in range(5, 11)},
    "char_ngrams": "n-grams of characters, n = 10, or 3 where most words are `characters`",
    "frequent_char_ngrams": "occurrences of the most frequent of them",
    "ngrams_5": "5-grams of words in lower case",
    "recurring_5": "5-grams that occur more than once",
    "ngrams_7": "7-grams of words in lower case",
    "recurring_7": "7-grams that occur more than once",
}
"""The measures, in the order of `count`. White space at a text's ends does not count; a length is in characters."""

# fmt: off
(
    CHARS, TOKENS, WORDS, CHARACTERS, WORD_CHARS, LETTER_WORDS,
    STOP_WORDS, WRITTEN_STOP_WORDS, FUNCTION_WORDS,
    SPECIAL_CHARS, NUMBER_SIGNS, ELLIPSES,
    LINES, REPEATED_LINES, REPEATED_LINE_CHARS,
    PARAGRAPHS, REPEATED_PARAGRAPHS, REPEATED_PARAGRAPH_CHARS,
    TEXT_LINES, ALL_LINES, BULLET_LINES, PLAIN_BULLET_LINES, ELLIPSIS_LINES,
    TOP_2, _, _,
    REPEATED_5, _, _, _, _, _,
    CHAR_NGRAMS, FREQUENT_CHAR_NGRAMS,
    NGRAMS_5, RECURRING_5, NGRAMS_7, RECURRING_7,
) = range(len(COUNTS))
# fmt: on

Tokens = tuple[I32, I32, U8]
"""Starts, ends and kinds of a tokens.Split."""
TokenHashes = tuple[U64, U64, U64, U8]
"""The arrays of a tokens.Hashes."""
StopArrays = tuple[U64, U8]
"""Keys and values of a stop_words.StopTable."""
HashTable = tuple[U64, I32]
"""Room for keys, and for a number beside each. A kernel clears the keys that it uses."""

NUM_COUNTS = len(COUNTS)
NEWLINE, RETURN, DOT, NUMBER_SIGN = 0x0A, 0x0D, 0x2E, 0x23
ELLIPSIS = 0x2026
PLAIN_BULLETS = (0x2022, 0x2D)
BULLETS = (0x2022, 0x2D, 0x2023, 0x25E6, 0x25AA, 0x2A)
CHAR_NGRAM, UNSPACED_CHAR_NGRAM = 10, 3
"""Length of the character n-grams of BLOOM's rule, on a page of scripts with spaces and of scripts without."""
LONGEST_TOP, LONGEST_REPEATED = 4, 10


@kernel
def count(codes: U32, characters: U32, tokens: Tokens, hashes: TokenHashes, stops: StopArrays) -> I32:
    """Return int32 [len(COUNTS)] for a stripped text, given as `codes`; `characters` is the table of characters."""
    starts, ends, kinds = tokens
    counts = np.zeros(NUM_COUNTS, dtype=np.int32)
    _count_words(codes, tokens, hashes[3], counts)
    _count_stops(tokens, hashes, stops, counts)
    _count_symbols(codes, characters, counts)
    _count_blocks(codes, counts)
    _count_text_lines(codes, characters, counts)
    keys = np.empty(table_size(max(len(codes), len(starts), 1)), dtype=np.uint64)
    table = (keys, np.empty(len(keys), dtype=np.int32))
    _count_ngrams(ends - starts, hashes, table, counts)
    size = UNSPACED_CHAR_NGRAM if 2 * counts[CHARACTERS] > counts[WORDS] else CHAR_NGRAM
    _count_char_ngrams(codes, size, table, counts)
    words = _word_hashes(kinds, hashes[2], counts[WORDS])
    for n, ngrams, recurring in ((5, NGRAMS_5, RECURRING_5), (7, NGRAMS_7, RECURRING_7)):
        counts[ngrams] = max(len(words) - n + 1, 0)
        counts[recurring] = _count_recurring(words, n, table)
    return counts


@kernel
def _is_new(keys: U64, hashed: np.uint64) -> bool:
    """Return whether a hash comes for the first time. Side effect: adds it to the table."""
    hashed = hashed | np.uint64(hashed == 0)
    slot = find_slot(keys, hashed)
    if keys[slot] == hashed:
        return False
    keys[slot] = hashed
    return True


@kernel
def _used_before(table: HashTable, hashed: np.uint64) -> int:
    """Return how often a hash came before. Side effect: counts it."""
    keys, uses = table
    hashed = hashed | np.uint64(hashed == 0)
    slot = find_slot(keys, hashed)
    if keys[slot] == hashed:
        uses[slot] += 1
        return int(uses[slot]) - 1
    keys[slot] = hashed
    uses[slot] = 1
    return 0


@kernel
def _cleared(table: HashTable, items: int) -> HashTable:
    """Return as much of a table as so many items need, without keys."""
    keys, uses = table
    size = table_size(max(items, 1))
    keys[:size] = 0
    return keys[:size], uses


@kernel
def _count_words(codes: U32, tokens: Tokens, has_letter: U8, counts: I32) -> None:
    starts, ends, kinds = tokens
    counts[CHARS] = len(codes)
    counts[TOKENS] = len(starts)
    for token in range(len(starts)):
        counts[LETTER_WORDS] += has_letter[token]
        if kinds[token] != KIND_SYMBOL:
            counts[WORDS] += 1
            counts[WORD_CHARS] += ends[token] - starts[token]
            counts[CHARACTERS] += kinds[token] == KIND_CHARACTER


@kernel
def _word_hashes(kinds: U8, lower: U64, num_words: int) -> U64:
    """Return the hashes of the tokens that are words."""
    words = np.empty(num_words, dtype=np.uint64)
    word = 0
    for token in range(len(kinds)):
        if kinds[token] != KIND_SYMBOL:
            words[word] = lower[token]
            word += 1
    return words


@kernel
def _count_stops(tokens: Tokens, hashes: TokenHashes, stops: StopArrays, counts: I32) -> None:
    """Count different stop words and function words; two characters that touch may be a function word together."""
    starts, ends, kinds = tokens
    exact, powers, lower, _ = hashes
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
            counts[FUNCTION_WORDS] += values[slot] >> 7
        if token and kinds[token] == KIND_CHARACTER and kinds[token - 1] == KIND_CHARACTER:
            slot = find_slot(keys, lower[token - 1] * powers[token] + lower[token])
            if keys[slot] != 0 and ends[token - 1] == starts[token]:
                counts[FUNCTION_WORDS] += values[slot] >> 7
    for place in range(64):
        counts[STOP_WORDS] += (found >> np.uint64(place)) & np.uint64(1)
        counts[WRITTEN_STOP_WORDS] += (written >> np.uint64(place)) & np.uint64(1)


@kernel
def _count_symbols(codes: U32, characters: U32, counts: I32) -> None:
    """Count special characters, number signs and ellipses: three dots, none of them counted twice, or the sign."""
    special, signs, ellipses, dots = 0, 0, 0, 0
    for code in codes:
        special += flags_of(code, characters) & (LETTER | MARK) == 0
        signs += code == NUMBER_SIGN
        dots = dots + 1 if code == DOT else 0
        if code == ELLIPSIS or dots == 3:
            ellipses += 1
            dots = 0
    counts[SPECIAL_CHARS], counts[NUMBER_SIGNS], counts[ELLIPSES] = special, signs, ellipses


@kernel
def _count_blocks(codes: U32, counts: I32) -> None:
    """Count lines (divided by newlines) and paragraphs (by two or more): all, repeated ones, their characters."""
    newlines = 0
    for code in codes:
        newlines += code == NEWLINE
    line_keys = np.zeros(table_size(newlines + 1), dtype=np.uint64)
    paragraph_keys = np.zeros(len(line_keys), dtype=np.uint64)
    line, paragraph = np.uint64(0), np.uint64(0)
    line_start, paragraph_start, place = 0, 0, 0
    while place <= len(codes):
        run = place
        while run < len(codes) and codes[run] == NEWLINE:
            run += 1
        if run == place and place < len(codes):
            value = hash_character(codes[place])
            line = line * GOLDEN + value
            paragraph = paragraph * GOLDEN + value
            place += 1
            continue
        is_end = place == len(codes)
        counts[LINES] += 1
        if not _is_new(line_keys, line):
            counts[REPEATED_LINES] += 1
            counts[REPEATED_LINE_CHARS] += place - line_start
        if is_end or run - place > 1:
            counts[PARAGRAPHS] += 1
            if not _is_new(paragraph_keys, paragraph):
                counts[REPEATED_PARAGRAPHS] += 1
                counts[REPEATED_PARAGRAPH_CHARS] += place - paragraph_start
            paragraph, paragraph_start = np.uint64(0), run
        else:
            paragraph = paragraph * GOLDEN + np.uint64(1)  # a single newline; no character hashes to 1
        line, line_start = np.uint64(0), run
        place = run + 1 if is_end else run


@kernel
def _count_text_lines(codes: U32, characters: U32, counts: I32) -> None:
    """Count lines as `str.splitlines` divides them."""
    start = 0
    for place in range(len(codes) + 1):
        if place < len(codes) and not flags_of(codes[place], characters) & BREAK:
            continue
        is_second_half = 0 < place < len(codes) and codes[place] == NEWLINE and codes[place - 1] == RETURN
        if not is_second_half:
            counts[ALL_LINES] += len(codes) > 0
            _count_line(codes, characters, (start, place), counts)
        start = place + 1


@kernel
def _count_line(codes: U32, characters: U32, line: tuple[int, int], counts: I32) -> None:
    """Count one line: with text, with a bullet of any kind, with a plain bullet, with an ellipsis at its end."""
    first, last = line
    while first < last and flags_of(codes[first], characters) & SPACE:
        first += 1
    while first < last and flags_of(codes[last - 1], characters) & SPACE:
        last -= 1
    if first == last:
        return
    counts[TEXT_LINES] += 1
    counts[BULLET_LINES] += codes[first] in BULLETS
    counts[PLAIN_BULLET_LINES] += codes[first] in PLAIN_BULLETS
    has_dots = last - first > 2 and codes[last - 1] == DOT and codes[last - 2] == DOT and codes[last - 3] == DOT
    counts[ELLIPSIS_LINES] += has_dots or codes[last - 1] == ELLIPSIS


@kernel
def _count_ngrams(lengths: I32, hashes: TokenHashes, table: HashTable, counts: I32) -> None:
    """Count characters in the most frequent n-gram (n of 2..4, tokens joined by spaces) and in repeated ones (5..10).

    As in datatrove, the first of equally frequent n-grams is taken; repeated ones do not overlap each other, and
    are compared joined without spaces.
    """
    exact, powers, _, _ = hashes
    num_tokens = len(lengths)
    spaced, joined = exact.copy(), exact.copy()
    space = hash_character(np.uint32(0x20))
    for n in range(2, LONGEST_REPEATED + 1):
        for first in range(num_tokens - n + 1):
            last = first + n - 1
            if n <= LONGEST_TOP:
                spaced[first] = (spaced[first] * GOLDEN + space) * powers[last] + exact[last]
            joined[first] = joined[first] * powers[last] + exact[last]
        part = _cleared(table, num_tokens)
        if n <= LONGEST_TOP:
            counts[TOP_2 + n - 2] = _top_chars(lengths, spaced, n, part)
        else:
            counts[REPEATED_5 + n - 5] = _repeated_chars(lengths, joined, n, part[0])


@kernel
def _top_chars(lengths: I32, ngrams: U64, n: int, table: HashTable) -> int:
    keys, uses = table
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
def _repeated_chars(lengths: I32, ngrams: U64, n: int, keys: U64) -> int:
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
def _count_char_ngrams(codes: U32, n: int, table: HashTable, counts: I32) -> None:
    """Count all character n-grams, and those of the most frequent different ones: the square root of their number."""
    total = max(len(codes) - n + 1, 0)
    counts[CHAR_NGRAMS] = total
    part = _cleared(table, total)
    drop = power(n)
    hashed = np.uint64(0)
    distinct, most = 0, 0
    for place in range(len(codes)):
        hashed = hashed * GOLDEN + hash_character(codes[place])
        if place >= n:
            hashed -= drop * hash_character(codes[place - n])
        if place >= n - 1:
            before = _used_before(part, hashed)
            distinct += before == 0
            most = max(most, before + 1)
    if most >= 2:
        counts[FREQUENT_CHAR_NGRAMS] = _most_frequent(part, int(np.sqrt(distinct)), most)


@kernel
def _most_frequent(table: HashTable, left: int, most: int) -> int:
    """Return the occurrences of the `left` most frequent entries, without those that occur once."""
    keys, uses = table
    num_with = np.zeros(most + 1, dtype=np.int32)
    for slot in range(len(keys)):
        if keys[slot] != 0:
            num_with[uses[slot]] += 1
    found = 0
    for often in range(most, 1, -1):
        taken = min(left, num_with[often])
        found += taken * often
        left -= taken
    return found


@kernel
def _count_recurring(words: U64, n: int, table: HashTable) -> int:
    """Return the number of word n-grams that occur more than once, all of their occurrences."""
    part = _cleared(table, len(words) - n + 1)
    drop = power(n)
    hashed = np.uint64(0)
    recurring = 0
    for last in range(len(words)):
        hashed = hashed * GOLDEN + (words[last] ^ (words[last] >> np.uint64(29)))
        if last >= n:
            hashed -= drop * (words[last - n] ^ (words[last - n] >> np.uint64(29)))
        if last >= n - 1:
            before = _used_before(part, hashed)
            recurring += 2 if before == 1 else int(before > 1)
    return recurring
