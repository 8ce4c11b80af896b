"""The repetition and quality filters: Gopher's rules (arXiv:2112.11446), or those of BLOOM's corpus (bloom_limits.py).

Repetition is counted as datatrove counts it: only repeats after the first occurrence count, and they are divided by the
length of the whole text, spaces included.

The paper does not say whether a punctuation mark is a word or an empty line a line. Here they are not. With the setting
`quality.counting: datatrove` they are, where datatrove takes them as such. Fed with datatrove's words, both filters
give datatrove's verdict on every page.

On a page of a script without spaces a word is a character. Gopher's n-grams do not measure repetition there, because
phrases repeat, and its rules for the length of words and for stop words are off. BLOOM's limits for Chinese replace
them; the rules for lines and paragraphs stay.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from datatrove.data import Document

from stages.text.blocks.gate import NOTE, Gate
from stages.text.blocks.rejects import Rejects
from stages.text.compiled.arrays import Records
from stages.text.rules.measures import Measured, row_of
from stages.text.rules.rule import UNMEASURED, all_broken, first_broken, group, rules, to_counts
from stages.text.rules.table import RuleSettings
from stages.text.settings import QualitySettings, RepetitionSettings
from stages.text.words.stop_words import StopWords, shipped


class RuleFilter(Gate):
    """Drops pages that break a rule of the table, by their stored measures if they have any."""

    def __init__(self, settings: RuleSettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.is_gopher = settings.preset == "gopher"
        self.choose = lru_cache(maxsize=1_000)(partial(rules, settings))
        self.lists = shipped()

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page breaks. Rules that are off for its language are counted as notes."""
        counts = to_counts(row_of(doc, self.lists))
        language, is_unspaced = group(counts)
        for name in self.rules_off(counts, is_unspaced):
            self.stat_update(f"{NOTE}rule_off_{name}_{language}")
        return first_broken(counts, self.choose)

    @abstractmethod
    def rules_off(self, counts: dict[str, Any], is_unspaced: bool) -> Iterator[str]:
        """Yield the names of the rules that are off for a page's language or script."""


class RepetitionFilter(RuleFilter):
    """Drops pages that repeat themselves."""

    name = "repetition"

    def __init__(self, settings: RepetitionSettings, rejects: Rejects | None = None) -> None:
        super().__init__(settings, rejects)

    def rules_off(self, counts: dict[str, Any], is_unspaced: bool) -> Iterator[str]:
        """Yield `ngrams` on pages of a script without spaces."""
        if is_unspaced and self.is_gopher:
            yield "ngrams"


class QualityFilter(RuleFilter):
    """Drops pages that do not look like prose."""

    name = "quality"

    def __init__(self, settings: QualitySettings, rejects: Rejects | None = None) -> None:
        super().__init__(settings, rejects)
        if settings.stop_words:
            self.lists = StopWords(settings.stop_words)

    def rules_off(self, counts: dict[str, Any], is_unspaced: bool) -> Iterator[str]:
        """Yield `word_length` on pages of a script without spaces, and the list of words that the language lacks."""
        if is_unspaced and self.is_gopher:
            yield "word_length"
        measure = "stop_words" if self.is_gopher and not is_unspaced else "function_words"
        if counts[measure] == UNMEASURED:
            yield measure


def broken_rule(row: Measured, settings: RuleSettings) -> str | None:
    """Return the first rule that a page breaks."""
    return first_broken(to_counts(row), partial(rules, settings))


def broken_rules(rows: Records, settings: RuleSettings) -> npt.NDArray[np.str_]:
    """Return `broken_rule` for each row; an empty string for those that pass."""
    return all_broken(rows, partial(rules, settings))
