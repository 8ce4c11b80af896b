"""Gopher's repetition filter (arXiv:2112.11446, table A1), counted as datatrove counts it, with our word split.

Only repeats after the first occurrence count, and they are divided by the length of the whole text, spaces included.
"""

from __future__ import annotations

import re

from datatrove.data import Document
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)

from stages.web.blocks import Gate
from stages.web.rejects import Rejects
from stages.web.settings import RepetitionSettings
from stages.web.words import tokens

PARAGRAPH = re.compile(r"\n{2,}")
LINE = re.compile(r"\n+")


class RepetitionFilter(Gate):
    """Drops pages that repeat themselves."""

    name = "repetition"

    def __init__(self, settings: RepetitionSettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page breaks: paragraphs, lines, then n-grams of growing length."""
        text = doc.text.strip()
        return self._blocks(text) or self._ngrams(text)

    def _blocks(self, text: str) -> str | None:
        limits = self.settings
        paragraphs = PARAGRAPH.split(text)
        repeated, chars = find_duplicates(paragraphs)
        if repeated / len(paragraphs) > limits.duplicate_paragraphs:
            return "duplicate_paragraphs"
        if chars / len(text) > limits.duplicate_paragraph_chars:
            return "duplicate_paragraph_chars"
        lines = LINE.split(text)
        repeated, chars = find_duplicates(lines)
        if repeated / len(lines) > limits.duplicate_lines:
            return "duplicate_lines"
        if chars / len(text) > limits.duplicate_line_chars:
            return "duplicate_line_chars"
        return None

    def _ngrams(self, text: str) -> str | None:
        found = list(tokens(text))
        for n, limit in sorted(self.settings.top_ngrams.items()):
            ngrams = get_n_grams(found, n)
            if ngrams and find_top_duplicate(ngrams) / len(text) > limit:
                return f"top_{n}_gram"
        for n, limit in sorted(self.settings.duplicate_ngrams.items()):
            if find_all_duplicate(found, n) / len(text) > limit:
                return f"duplicate_{n}_gram"
        return None
