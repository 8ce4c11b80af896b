"""RefinedWeb's line-wise correction (arXiv:2306.01116, G.2): cuts what pages carry around their prose.

The phrases are those of the paper as DCLM reproduces them, widened to the singular ("1 like", "3likes").
"""

from __future__ import annotations

import re

from datatrove.data import Document

from stages.web.blocks import NOTE, Gate, set_text
from stages.web.rejects import Rejects
from stages.web.settings import LineSettings
from stages.web.words import tokens, words

COUNTER = re.compile(
    r"\W*\d[\d,.]*\s*(?:k|m|b|mio|million)?\s*"
    r"(?:like|share|comment|retweet|repost|quote|bookmark|upvote|downvote|download|view|follower)s?\W*",
    re.IGNORECASE,
)
EDITS = (
    re.compile(r"^\W*sign[ -]?in\b\W*", re.IGNORECASE),
    re.compile(r"\bread more\W*$", re.IGNORECASE),
    re.compile(r"\bitems in cart\b", re.IGNORECASE),
)


class LineCorrection(Gate):
    """Deletes and edits single lines; drops a page that loses too many of its words."""

    name = "lines"

    def __init__(self, settings: LineSettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings

    def reason(self, doc: Document) -> str | None:
        """Correct the page's text; return `too_many_words_removed` if little would be left of it."""
        before = len(words(doc.text))
        lines = doc.text.split("\n")
        corrected = [self.correct(line) for line in lines]
        text = "\n".join(line for line in corrected if line is not None).strip()
        removed = before - len(words(text))
        if not text or removed > self.settings.max_removed_words * before:
            return "too_many_words_removed"
        if changed := sum(new != old for new, old in zip(corrected, lines, strict=True)):
            self.stat_update(f"{NOTE}lines_changed", value=changed)
            self.stat_update(f"{NOTE}pages_changed")
        set_text(doc, text, len(tokens(text)))
        return None

    def correct(self, line: str) -> str | None:
        """Return the line, edited, or None if it goes. Empty lines stay: they separate paragraphs."""
        if not line.strip():
            return line
        found = words(line)
        if len(found) <= 1 or self._is_uppercase(line) or COUNTER.fullmatch(line):
            return None
        if not any(char.isalpha() for char in line):
            return None
        if len(found) > self.settings.max_edit_words:
            return line
        edited = line
        for phrase in EDITS:
            edited = phrase.sub("", edited)
        if edited == line:
            return line
        return edited.strip() if len(words(edited)) > 1 else None

    def _is_uppercase(self, line: str) -> bool:
        letters = [char for char in line if char.isalpha()]
        return sum(char.isupper() for char in letters) > self.settings.max_uppercase * len(letters)
