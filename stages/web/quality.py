"""Gopher's quality filter (arXiv:2112.11446, A.1.1).

Words do not include punctuation marks, in all of the rules; datatrove counts marks as words in three of them.
"""

from __future__ import annotations

from datatrove.data import Document

from stages.web.blocks import Gate
from stages.web.rejects import Rejects
from stages.web.settings import QualitySettings
from stages.web.words import words

BULLETS = ("•", "‣", "◦", "▪", "-", "*")
ELLIPSES = ("...", "…")


class QualityFilter(Gate):
    """Drops pages that do not look like prose."""

    name = "quality"

    def __init__(self, settings: QualitySettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page breaks."""
        found = words(doc.text)
        return (
            self._length(found)
            or self._symbols(doc.text, len(found))
            or self._lines(doc.text)
            or self._vocabulary(found, doc.metadata.get("language", "en"))
        )

    def _length(self, found: tuple[str, ...]) -> str | None:
        limits = self.settings
        if len(found) < limits.min_words:
            return "too_few_words"
        if len(found) > limits.max_words:
            return "too_many_words"
        mean = sum(map(len, found)) / len(found)
        if mean < limits.min_word_chars:
            return "short_words"
        if mean > limits.max_word_chars:
            return "long_words"
        return None

    def _symbols(self, text: str, num_words: int) -> str | None:
        if text.count("#") / num_words > self.settings.max_hashes_per_word:
            return "hashes"
        if sum(map(text.count, ELLIPSES)) / num_words > self.settings.max_ellipses_per_word:
            return "ellipses"
        return None

    def _lines(self, text: str) -> str | None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if sum(line.startswith(BULLETS) for line in lines) / len(lines) > self.settings.max_bullet_lines:
            return "bullet_lines"
        if sum(line.endswith(ELLIPSES) for line in lines) / len(lines) > self.settings.max_ellipsis_lines:
            return "ellipsis_lines"
        return None

    def _vocabulary(self, found: tuple[str, ...], language: str) -> str | None:
        alphabetic = sum(any(char.isalpha() for char in word) for word in found)
        if alphabetic / len(found) < self.settings.min_alphabetic_words:
            return "few_alphabetic_words"
        stop_words = self.settings.stop_words.get(language)
        if stop_words and len({word.lower() for word in found}.intersection(stop_words)) < self.settings.min_stop_words:
            return "few_stop_words"
        return None
