"""Limits of BLOOM's corpus ROOTS for web text, by language (Laurençon et al., arXiv:2303.03915).

Source: github.com/bigscience-workshop/data-preparation, preprocessing/training/01b_oscar_cleaning_and_filtering,
parameters_filtering.py, with the measures of filtering.py. Departures: words are ours (words/tokens.py), characters
where theirs are SentencePiece's. Their share of special characters counts the characters of a list; ours counts all
that are neither letters nor marks. Limits for flagged words and perplexity are left out: they need word lists and
language models that the project does not ship. Long words and words with URLs are not cut out.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The limits of one language."""

    min_words: int
    max_words: int
    max_char_repetition: float
    """Share of character 10-grams (3-grams in scripts without spaces) that are among the most frequent ones."""
    max_word_repetition: float
    """Share of word n-grams that occur more than once."""
    word_ngram: int
    """That n."""
    max_special_chars: float
    """Share of characters that are neither letters nor marks."""
    min_function_words: float
    """Share of words that are on the list of function words."""
    min_language_score: float


OTHER = "default"
UNSPACED = "zh"
"""The language whose limits apply to every page of a script without spaces: its measures count characters."""

TABLE = {
    OTHER: Limits(10, 100_000, 0.2, 0.3, 5, 0.4, 0.1, 0.70),
    "ar": Limits(20, 100_000, 0.20, 0.34, 5, 0.30, 0.07, 0.81),
    "bn": Limits(33, 100_000, 0.13, 0.21, 5, 0.45, 0.002, 0.95),
    "ca": Limits(15, 100_000, 0.2, 0.4, 5, 0.25, 0.25, 0.8),
    "en": Limits(20, 100_000, 0.106, 0.19, 5, 0.4, 0.3, 0.80),
    "es": Limits(16, 100_000, 0.14, 0.25, 5, 0.34, 0.4, 0.8),
    "eu": Limits(8, 100_000, 0.20, 0.40, 5, 0.31, 0.05, 0.70),
    "fr": Limits(13, 100_000, 0.14, 0.13, 5, 0.34, 0.27, 0.8),
    "hi": Limits(38, 100_000, 0.18, 0.47, 5, 0.45, 0.01, 0.90),
    "id": Limits(15, 100_000, 0.15, 0.20, 5, 0.34, 0.15, 0.7),
    "pt": Limits(19, 100_000, 0.25, 0.98, 5, 0.35, 0.2, 0.6),
    "ur": Limits(25, 100_000, 0.19, 0.5, 7, 0.25, 0.01, 0.90),
    "vi": Limits(30, 100_000, 0.15, 0.20, 5, 0.34, 0.08, 0.90),
    "zh": Limits(1, 1_000_000, 0.2, 0.96, 5, 0.3, 0.1691, 0.85),
}


def limits(language: str, is_unspaced: bool = False) -> Limits:
    """Return the limits of a language, or of a page on which most words are single characters, whatever its label."""
    return TABLE[UNSPACED] if is_unspaced else TABLE.get(language, TABLE[OTHER])
