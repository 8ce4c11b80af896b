"""The table of the repetition and quality rules: for each its reason, measure, limit, source and explanation.

Adding a rule takes one row here, one field in stages/text/settings.py for its limit, and one planted page in
stages/sample. A rule with a new measure also takes one entry and its counter in counts.py. The report explains a reason
by its row (stages/text/reasons.py).

Light: imports no NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stages.text.bloom_limits import Limits
from stages.text.settings import QualitySettings, RepetitionSettings

RuleSettings = RepetitionSettings | QualitySettings

GOPHER_TABLE = "Gopher, arXiv:2112.11446, table A1"
GOPHER_TEXT = "Gopher, arXiv:2112.11446, A.1.1"
BLOOM = "ROOTS, arXiv:2303.03915; bloom_limits.py"

COMMON_STOP_WORDS = 8
COMMON_SHARE = 0.5
"""Typical prose: all of Gopher's eight stop words, and half of its words are function words."""


class PageGroup(NamedTuple):
    """Pages to which the same limits apply."""

    language: str
    limits: Limits
    """BLOOM's, for that language or script."""
    is_unspaced: bool
    """Whether most words are single characters."""


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """One rule: a page whose `measure`, divided by `per`, is beyond the limit is dropped with `reason`.

    A limit stands in a setting, which applies with the preset gopher; or in a column of BLOOM's limits, which applies
    with the preset bloom; or in both. On a page of a script without spaces a word is a character. There BLOOM's limits
    apply with the preset gopher too, where the rule has no setting; a maximum that has both is the larger one.
    """

    reason: str
    explanation: str
    """For the reader of a report, in a few words."""
    source: str
    measure: str
    """Name in counts.COUNTS."""
    per: str | None = None
    """Name of the measure that divides it."""
    as_datatrove: tuple[str, str | None] = ("", None)
    """Measure and divisor with the setting `counting: datatrove`, where they differ."""
    side: Literal["most", "least"] = "most"
    setting: str = ""
    """Field of the settings. A field of that name with `_of` has the limits of single languages."""
    bloom: str = ""
    """Field of bloom_limits.Limits."""
    opposite: tuple[str, str] = ("", "")
    """Setting and column of the limit on the other side; the best value is the geometric mean of both limits."""
    ngram: int | None = None
    """The n of a setting or a column that has a limit for some n only."""
    needs_spaces: bool = False
    """Whether the rule is off on pages of a script without spaces."""
    best: float = 0.0
    """The value farthest from the limit, where no limit is opposite."""

    def measures(self, is_datatrove: bool) -> tuple[str, str | None]:
        """Return the measure and its divisor."""
        return self.as_datatrove if is_datatrove and self.as_datatrove[0] else (self.measure, self.per)

    def limit(self, settings: RuleSettings, page: PageGroup) -> float | None:
        """Return the limit for a page; None if the rule does not apply."""
        return self._limit(self.setting, self.bloom, settings, page)

    def opposite_limit(self, settings: RuleSettings, page: PageGroup) -> float | None:
        """Return the limit on the other side; None if there is none."""
        return self._limit(*self.opposite, settings, page)

    def _limit(self, setting: str, bloom: str, settings: RuleSettings, page: PageGroup) -> float | None:
        language, limits, is_unspaced = page
        if settings.preset == "bloom":
            return self._of_bloom(bloom, limits)
        if is_unspaced and self.needs_spaces:
            return None
        if not setting:
            return self._of_bloom(bloom, limits) if is_unspaced else None
        value = getattr(settings, f"{setting}_of", {}).get(language, getattr(settings, setting))
        if self.ngram is not None:
            value = value.get(self.ngram)
        if is_unspaced and bloom.startswith("max_"):
            value = max(value, getattr(limits, bloom))
        return None if value is None else float(value)

    def _of_bloom(self, bloom: str, limits: Limits) -> float | None:
        is_off = not bloom or (self.ngram is not None and self.ngram != limits.word_ngram)
        return None if is_off else float(getattr(limits, bloom))


REPETITION = (
    RuleRow(
        reason="duplicate_paragraphs",
        explanation="too many paragraphs repeat an earlier one",
        source=GOPHER_TABLE,
        measure="repeated_paragraphs",
        per="paragraphs",
        setting="duplicate_paragraphs",
    ),
    RuleRow(
        reason="duplicate_paragraph_chars",
        explanation="too much of the text is in repeated paragraphs",
        source=GOPHER_TABLE,
        measure="repeated_paragraph_chars",
        per="chars",
        setting="duplicate_paragraph_chars",
    ),
    RuleRow(
        reason="duplicate_lines",
        explanation="too many lines repeat an earlier one",
        source=GOPHER_TABLE,
        measure="repeated_lines",
        per="lines",
        setting="duplicate_lines",
    ),
    RuleRow(
        reason="duplicate_line_chars",
        explanation="too much of the text is in repeated lines",
        source=GOPHER_TABLE,
        measure="repeated_line_chars",
        per="chars",
        setting="duplicate_line_chars",
    ),
    *(
        RuleRow(
            reason=f"top_{n}_gram",
            explanation=f"one phrase of {n} words comes again and again",
            source=GOPHER_TABLE,
            measure=f"top_{n}",
            per="chars",
            setting="top_ngrams",
            ngram=n,
            needs_spaces=True,
        )
        for n in (2, 3, 4)
    ),
    *(
        RuleRow(
            reason=f"duplicate_{n}_gram",
            explanation=f"too much of the text is in repeated phrases of {n} words",
            source=GOPHER_TABLE,
            measure=f"repeated_{n}",
            per="chars",
            setting="duplicate_ngrams",
            ngram=n,
            needs_spaces=True,
        )
        for n in (5, 6, 7, 8, 9, 10)
    ),
    RuleRow(
        reason="repeated_characters",
        explanation="a few runs of characters come again and again",
        source=BLOOM,
        measure="frequent_char_ngrams",
        per="char_ngrams",
        bloom="max_char_repetition",
    ),
    *(
        RuleRow(
            reason="repeated_words",
            explanation="most runs of words occur twice",
            source=BLOOM,
            measure=f"recurring_{n}",
            per=f"ngrams_{n}",
            bloom="max_word_repetition",
            ngram=n,
        )
        for n in (5, 7)
    ),
)
"""In order: the first rule that a page breaks is its reason."""

QUALITY = (
    RuleRow(
        reason="too_few_words",
        explanation="the page is too short",
        source=GOPHER_TEXT,
        measure="words",
        side="least",
        setting="min_words",
        bloom="min_words",
        opposite=("max_words", "max_words"),
    ),
    RuleRow(
        reason="too_many_words",
        explanation="the page is too long",
        source=GOPHER_TEXT,
        measure="words",
        setting="max_words",
        bloom="max_words",
        opposite=("min_words", "min_words"),
    ),
    RuleRow(
        reason="short_words",
        explanation="words are too short on average",
        source=GOPHER_TEXT,
        measure="word_chars",
        per="words",
        side="least",
        setting="min_word_chars",
        opposite=("max_word_chars", ""),
        needs_spaces=True,
    ),
    RuleRow(
        reason="long_words",
        explanation="words are too long on average",
        source=GOPHER_TEXT,
        measure="word_chars",
        per="words",
        setting="max_word_chars",
        opposite=("min_word_chars", ""),
        needs_spaces=True,
    ),
    RuleRow(
        reason="hashes",
        explanation="too many number signs",
        source=GOPHER_TEXT,
        measure="number_signs",
        per="words",
        as_datatrove=("number_signs", "tokens"),
        setting="max_hashes_per_word",
    ),
    RuleRow(
        reason="ellipses",
        explanation="too many ellipses",
        source=GOPHER_TEXT,
        measure="ellipses",
        per="words",
        as_datatrove=("ellipses", "tokens"),
        setting="max_ellipses_per_word",
    ),
    RuleRow(
        reason="bullet_lines",
        explanation="nearly all lines are bullet points",
        source=GOPHER_TEXT,
        measure="bullet_lines",
        per="text_lines",
        as_datatrove=("plain_bullet_lines", "all_lines"),
        setting="max_bullet_lines",
    ),
    RuleRow(
        reason="ellipsis_lines",
        explanation="too many lines end with an ellipsis",
        source=GOPHER_TEXT,
        measure="ellipsis_lines",
        per="text_lines",
        as_datatrove=("ellipsis_lines", "all_lines"),
        setting="max_ellipsis_lines",
    ),
    RuleRow(
        reason="few_alphabetic_words",
        explanation="too many words without a letter",
        source=GOPHER_TEXT,
        measure="letter_words",
        per="words",
        as_datatrove=("letter_words", "tokens"),
        side="least",
        setting="min_alphabetic_words",
        best=1.0,
    ),
    RuleRow(
        reason="few_stop_words",
        explanation="hardly any of the most common words",
        source=GOPHER_TEXT,
        measure="stop_words",
        as_datatrove=("written_stop_words", None),
        side="least",
        setting="min_stop_words",
        needs_spaces=True,
        best=COMMON_STOP_WORDS,
    ),
    RuleRow(
        reason="special_characters",
        explanation="too many characters that are not letters",
        source=BLOOM,
        measure="special_chars",
        per="chars",
        bloom="max_special_chars",
    ),
    RuleRow(
        reason="few_function_words",
        explanation="too few words such as articles and prepositions",
        source=BLOOM,
        measure="function_words",
        per="words",
        side="least",
        bloom="min_function_words",
        best=COMMON_SHARE,
    ),
)
"""In order: the first rule that a page breaks is its reason."""


def rows_of(settings: RuleSettings) -> tuple[RuleRow, ...]:
    """Return the rows that these settings have limits for."""
    return QUALITY if isinstance(settings, QualitySettings) else REPETITION


def rule_explanations() -> Iterator[tuple[str, str]]:
    """Yield each reason of the table with its explanation."""
    for row in (*REPETITION, *QUALITY):
        yield row.reason, row.explanation
