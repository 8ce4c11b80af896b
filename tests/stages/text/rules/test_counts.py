"""The compiled counts against the same in plain Python, written from the definitions in `counts.COUNTS`."""

import math
import re
from collections import Counter

import pytest

from stages.text.rules.measures import measure
from stages.text.rules.rule import to_counts
from stages.text.words.characters import LETTER, MARK, character_table
from stages.text.words.stop_words import shipped
from stages.text.words.tokens import KIND_CHARACTER, KIND_SYMBOL, SIZE, split
from tests.stages.text.hostile import texts

BULLETS, PLAIN_BULLETS, ELLIPSES = ("•", "‣", "◦", "▪", "-", "*"), ("•", "-"), ("...", "…")


def lower(word: str) -> str:
    """Return a word in lower case, character by character."""
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in word)


def repeats(items: list[str]) -> tuple[int, int, int]:
    """Return how many there are, how many came before, and the characters of those."""
    seen: set[str] = set()
    again = [item for item in items if item in seen or seen.add(item)]  # type: ignore[func-returns-value]
    return len(items), len(again), sum(map(len, again))


def top_chars(tokens: list[str], n: int) -> int:
    ngrams = Counter(" ".join(tokens[start : start + n]) for start in range(len(tokens) - n + 1))
    ngram, often = max(ngrams.items(), key=lambda item: item[1], default=("", 0))
    return len(ngram) * often


def repeated_chars(tokens: list[str], n: int) -> int:
    seen, chars, start = set(), 0, 0
    while start <= len(tokens) - n:
        ngram = "".join(tokens[start : start + n])
        chars += len(ngram) if ngram in seen else 0
        start += n if ngram in seen else 1
        seen.add(ngram)
    return chars


def frequent(ngrams: list[object]) -> int:
    often = sorted(Counter(ngrams).values(), reverse=True)
    return sum(times for times in often[: math.isqrt(len(often))] if times > 1)


def recurring(ngrams: list[object]) -> int:
    return sum(times for times in Counter(ngrams).values() if times > 1)


def windows(items: list[str], n: int) -> list[object]:
    return [tuple(items[start : start + n]) for start in range(len(items) - n + 1)]


def is_letter_or_mark(char: str) -> bool:
    if ord(char) >= SIZE:
        return "\U000e0100" <= char < "\U000e01f0"
    return bool(int(character_table()[ord(char)]) & (LETTER | MARK))


def expected(text: str, language: str) -> dict[str, int]:
    text = text.strip()
    starts, ends, kinds = (part.tolist() for part in split(text))
    tokens = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    words = [token for token, kind in zip(tokens, kinds, strict=True) if kind != KIND_SYMBOL]
    lowered = [lower(token) for token in tokens]
    stop, function = set(shipped().stop.get(language, ())), set(shipped().function.get(language, ()))
    pairs = [
        lowered[place - 1] + lowered[place]
        for place in range(1, len(tokens))
        if kinds[place - 1] == kinds[place] == KIND_CHARACTER and ends[place - 1] == starts[place]
    ]
    lines, paragraphs = repeats(re.split(r"\n+", text)), repeats(re.split(r"\n{2,}", text))
    stripped = [line.strip() for line in text.splitlines()]
    text_lines = [line for line in stripped if line]
    n = 3 if 2 * kinds.count(KIND_CHARACTER) > len(words) else 10
    char_ngrams = [text[start : start + n] for start in range(len(text) - n + 1)]
    return {
        "chars": len(text),
        "tokens": len(tokens),
        "words": len(words),
        "characters": kinds.count(KIND_CHARACTER),
        "word_chars": sum(map(len, words)),
        "letter_words": sum(any(map(str.isalpha, token)) for token in tokens),
        "stop_words": len(stop.intersection(lowered)) if stop else -1,
        "written_stop_words": len(stop.intersection(tokens)) if stop else -1,
        "function_words": sum(word in function | stop for word in lowered + pairs) if function else -1,
        "special_chars": sum(not is_letter_or_mark(char) for char in text),
        "number_signs": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        **dict(zip(("lines", "repeated_lines", "repeated_line_chars"), lines, strict=True)),
        **dict(zip(("paragraphs", "repeated_paragraphs", "repeated_paragraph_chars"), paragraphs, strict=True)),
        "text_lines": len(text_lines),
        "all_lines": len(stripped),
        "bullet_lines": sum(line.startswith(BULLETS) for line in text_lines),
        "plain_bullet_lines": sum(line.startswith(PLAIN_BULLETS) for line in text_lines),
        "ellipsis_lines": sum(line.endswith(ELLIPSES) for line in text_lines),
        **{f"top_{n}": top_chars(tokens, n) for n in range(2, 5)},
        **{f"repeated_{n}": repeated_chars(tokens, n) for n in range(5, 11)},
        "char_ngrams": len(char_ngrams),
        "frequent_char_ngrams": frequent([*char_ngrams]),
        "ngrams_5": max(len(words) - 4, 0),
        "recurring_5": recurring(windows([*map(lower, words)], 5)),
        "ngrams_7": max(len(words) - 6, 0),
        "recurring_7": recurring(windows([*map(lower, words)], 7)),
    }


@pytest.mark.parametrize("language", ["en", "zh", "xx"])
def test_every_count_is_that_of_plain_python(language: str) -> None:
    for text in texts(seed=sum(map(ord, language)), count=400):
        if len(text) > 100_000:
            continue
        found = to_counts(measure(text, language))
        assert {name: found[name] for name in found if not name.startswith("language")} == expected(text, language), (
            text[:200]
        )


def test_a_word_of_a_million_letters_is_counted() -> None:
    counts = to_counts(measure("a" * 1_000_000))
    assert (counts["chars"], counts["words"], counts["word_chars"]) == (1_000_000, 1, 1_000_000)
    assert counts["frequent_char_ngrams"] == counts["char_ngrams"] == 999_991
