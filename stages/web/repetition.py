"""The repetition filter: Gopher's rules (arXiv:2112.11446, table A1), or those of BLOOM's corpus (bloom.py).

Gopher's are counted as datatrove counts them: only repeats after the first occurrence count, and they are divided by
the length of the whole text, spaces included. Fed with datatrove's words, every verdict is datatrove's.

On a page of a script without spaces a word is a character, for which Gopher's n-grams are no measure: phrases repeat.
There BLOOM's limits for Chinese stand in for them; the rules for lines and paragraphs stay.
"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
from datatrove.data import Document

from stages.web import bloom
from stages.web.blocks import NOTE, Gate
from stages.web.measures import Row, row_of
from stages.web.rejects import Rejects
from stages.web.rules import Rows, Rule, all_broken, first_broken, group, to_counts
from stages.web.settings import RepetitionSettings
from stages.web.stop_words import shipped


class RepetitionFilter(Gate):
    """Drops pages that repeat themselves, by their stored measures if they have any."""

    name = "repetition"

    def __init__(self, settings: RepetitionSettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings
        self.choose = lru_cache(maxsize=1_000)(partial(rules, settings))

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page breaks: paragraphs, lines, then n-grams of growing length."""
        counts = to_counts(row_of(doc, shipped()))
        language, is_unspaced = group(counts)
        if is_unspaced and self.settings.preset == "gopher":
            self.stat_update(f"{NOTE}rule_off_ngrams_{language}")
        return first_broken(counts, self.choose)


def broken_rule(row: Row, settings: RepetitionSettings) -> str | None:
    """Return the first rule that a page breaks."""
    return first_broken(to_counts(row), partial(rules, settings))


def broken_rules(rows: Rows, settings: RepetitionSettings) -> npt.NDArray[np.str_]:
    """Return what `broken_rule` says of each row; an empty string for those that pass."""
    return all_broken(rows, partial(rules, settings))


def rules(settings: RepetitionSettings, language: str, is_unspaced: bool) -> tuple[Rule, ...]:
    """Return the rules of a page, in order."""
    if settings.preset == "bloom":
        return _bloom(language, is_unspaced)
    return (*_blocks(settings), *(_bloom(language, is_unspaced) if is_unspaced else _ngrams(settings)))


def _blocks(settings: RepetitionSettings) -> tuple[Rule, ...]:
    return (
        Rule("duplicate_paragraphs", "repeated_paragraphs", "paragraphs", "most", settings.duplicate_paragraphs),
        Rule(
            "duplicate_paragraph_chars", "repeated_paragraph_chars", "chars", "most", settings.duplicate_paragraph_chars
        ),
        Rule("duplicate_lines", "repeated_lines", "lines", "most", settings.duplicate_lines),
        Rule("duplicate_line_chars", "repeated_line_chars", "chars", "most", settings.duplicate_line_chars),
    )


def _ngrams(settings: RepetitionSettings) -> tuple[Rule, ...]:
    top = [Rule(f"top_{n}_gram", f"top_{n}", "chars", "most", most) for n, most in sorted(settings.top_ngrams.items())]
    repeated = sorted(settings.duplicate_ngrams.items())
    return (*top, *(Rule(f"duplicate_{n}_gram", f"repeated_{n}", "chars", "most", most) for n, most in repeated))


def _bloom(language: str, is_unspaced: bool) -> tuple[Rule, ...]:
    limits = bloom.limits(language, is_unspaced)
    n = limits.word_ngram
    return (
        Rule("repeated_characters", "frequent_char_ngrams", "char_ngrams", "most", limits.max_char_repetition),
        Rule("repeated_words", f"recurring_{n}", f"ngrams_{n}", "most", limits.max_word_repetition),
    )
