"""The quality filter: Gopher's rules (arXiv:2112.11446, A.1.1), or those of BLOOM's corpus (bloom.py).

The paper does not say whether a punctuation mark is a word or an empty line a line. Here they are not. With the
setting `counting: datatrove` they are where datatrove takes them as such; then, fed with its words, every verdict is
datatrove's.

On a page of a script without spaces a word is a character. The rules for the length of words and for the commonest
words are off there; BLOOM's greatest length and its limits for special characters and function words take their place.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
from datatrove.data import Document

from stages.web import bloom
from stages.web.blocks import NOTE, Gate
from stages.web.measures import Row, row_of
from stages.web.rejects import Rejects
from stages.web.rules import UNMEASURED, Rows, Rule, all_broken, first_broken, group, to_counts
from stages.web.settings import QualitySettings
from stages.web.stop_words import StopWords, shipped

COMMON_STOP_WORDS = 8
COMMON_SHARE = 0.5
"""What prose has: all of Gopher's eight stop words, and half of its words function words."""


class QualityFilter(Gate):
    """Drops pages that do not look like prose, by their stored measures if they have any."""

    name = "quality"

    def __init__(self, settings: QualitySettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.choose = lru_cache(maxsize=1_000)(partial(rules, settings))
        self.lists = StopWords(settings.stop_words) if settings.stop_words else shipped()
        self.is_gopher = settings.preset == "gopher"

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page breaks. Rules that its language has none of are counted as notes."""
        counts = to_counts(row_of(doc, self.lists))
        language, is_unspaced = group(counts)
        if is_unspaced and self.is_gopher:
            self.stat_update(f"{NOTE}rule_off_word_length_{language}")
        measure = "stop_words" if self.is_gopher and not is_unspaced else "function_words"
        if counts[measure] == UNMEASURED:
            self.stat_update(f"{NOTE}rule_off_{measure}_{language}")
        return first_broken(counts, self.choose)


def broken_rule(row: Row, settings: QualitySettings) -> str | None:
    """Return the first rule that a page breaks."""
    return first_broken(to_counts(row), partial(rules, settings))


def broken_rules(rows: Rows, settings: QualitySettings) -> npt.NDArray[np.str_]:
    """Return what `broken_rule` says of each row; an empty string for those that pass."""
    return all_broken(rows, partial(rules, settings))


def rules(settings: QualitySettings, language: str, is_unspaced: bool) -> tuple[Rule, ...]:
    """Return the rules of a page, in order."""
    limits = bloom.limits(language, is_unspaced)
    if settings.preset == "bloom":
        return (*_num_words(limits.min_words, limits.max_words), *_bloom(limits))
    if is_unspaced:
        length = _num_words(settings.min_words, max(settings.max_words, limits.max_words))
        return (*length, *_symbols(settings), *_lines(settings), *_letters(settings), *_bloom(limits))
    return (
        *_num_words(settings.min_words, settings.max_words),
        *_word_chars(settings),
        *_symbols(settings),
        *_lines(settings),
        *_letters(settings),
        *_stop_words(settings),
    )


def _num_words(least: int, most: int) -> tuple[Rule, ...]:
    middle = math.sqrt(least * most)
    return (
        Rule("too_few_words", "words", None, "least", least, middle, "log"),
        Rule("too_many_words", "words", None, "most", most, middle, "log"),
    )


def _word_chars(settings: QualitySettings) -> tuple[Rule, ...]:
    least, most = settings.min_word_chars, settings.max_word_chars
    middle = math.sqrt(least * most)
    return (
        Rule("short_words", "word_chars", "words", "least", least, middle, "log"),
        Rule("long_words", "word_chars", "words", "most", most, middle, "log"),
    )


def _symbols(settings: QualitySettings) -> tuple[Rule, ...]:
    words = _words(settings)
    return (
        Rule("hashes", "number_signs", words, "most", settings.max_hashes_per_word),
        Rule("ellipses", "ellipses", words, "most", settings.max_ellipses_per_word),
    )


def _lines(settings: QualitySettings) -> tuple[Rule, ...]:
    as_datatrove = settings.counting == "datatrove"
    bullets, lines = ("plain_bullet_lines", "all_lines") if as_datatrove else ("bullet_lines", "text_lines")
    return (
        Rule("bullet_lines", bullets, lines, "most", settings.max_bullet_lines),
        Rule("ellipsis_lines", "ellipsis_lines", lines, "most", settings.max_ellipsis_lines),
    )


def _letters(settings: QualitySettings) -> tuple[Rule, ...]:
    least = settings.min_alphabetic_words
    return (Rule("few_alphabetic_words", "letter_words", _words(settings), "least", least, 1.0),)


def _stop_words(settings: QualitySettings) -> tuple[Rule, ...]:
    found = "written_stop_words" if settings.counting == "datatrove" else "stop_words"
    return (Rule("few_stop_words", found, None, "least", settings.min_stop_words, COMMON_STOP_WORDS),)


def _bloom(limits: bloom.Limits) -> tuple[Rule, ...]:
    return (
        Rule("special_characters", "special_chars", "chars", "most", limits.max_special_chars),
        Rule("few_function_words", "function_words", "words", "least", limits.min_function_words, COMMON_SHARE),
    )


def _words(settings: QualitySettings) -> str:
    return "tokens" if settings.counting == "datatrove" else "words"
