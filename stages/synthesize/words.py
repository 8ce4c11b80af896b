"""Words of instructions and answers, as the filters of Self-Instruct and Evol-Instruct count them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from stages.text.dedup.rouge import rouge_words
from stages.text.words.characters import UNSPACED_SCRIPTS

_UNSPACED = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED_SCRIPTS)
_MARKS = "，。！？；：、（）《》「」“”"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}{_MARKS}]+")


def count_words(text: str) -> int:
    """Return the number of words: runs between spaces, as `str.split`; in scripts without spaces each character."""
    return len(_WORD.findall(text))


def has_content(text: str, stop_words: Collection[str]) -> bool:
    """Return whether a text has a word or number that is no stop word."""
    return any(word not in stop_words for word in rouge_words(text))


def phrases(words: Sequence[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of some words: whole words in Latin script, parts of a text in others."""
    return re.compile("|".join(rf"\b{word}\b" if word.isascii() else word for word in words), re.IGNORECASE | re.ASCII)


def one_line(text: str) -> str:
    """Return a text with single spaces in place of white space."""
    return " ".join(text.split())
