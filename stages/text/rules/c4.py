"""C4's rules (Raffel et al., arXiv:1910.10683, section 2.2): lines that end as sentences do, and enough of them.

Full stops of Chinese and Japanese end a sentence too. C4 also drops pages with a word of a list: a setting here.
"""

from __future__ import annotations

import re

from datatrove.data import Document

from stages.text.blocks.gate import NOTE, Gate, set_text
from stages.text.blocks.rejects import Rejects
from stages.text.settings import C4Settings
from stages.text.words.tokens import count_words

ENDS = (".", "!", "?", '"', "”", "。", "！", "？", "」", "』", "…")
SENTENCE = re.compile(r"[.!?](?:[\"”')]*)(?=\s|$)|[。！？]")
CITATION = re.compile(r"\[\d{1,3}\]|\[edit\]|\[citation needed\]")
POLICY = re.compile(r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies", re.IGNORECASE)


class C4Filter(Gate):
    """Removes lines that are no sentences; drops pages with too few sentences left, with code or place-holders."""

    name = "c4"

    def __init__(self, settings: C4Settings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings
        words = "|".join(sorted(map(re.escape, settings.bad_words)))
        self._bad = re.compile(rf"\b(?:{words})\b", re.IGNORECASE) if words else None

    def reason(self, doc: Document) -> str | None:
        """Return the reason to drop the page, or None. Side effect: its text loses lines."""
        lower = doc.text.lower()
        if "lorem ipsum" in lower:
            return "lorem_ipsum"
        if self.settings.no_braces and "{" in doc.text:
            return "curly_bracket"
        if self._bad and self._bad.search(doc.text):
            return "bad_word"
        lines = [CITATION.sub("", line).strip() for line in doc.text.split("\n")]
        kept = [line for line in lines if self._is_kept(line)]
        text = "\n".join(kept)
        if len(SENTENCE.findall(text)) < self.settings.min_sentences:
            return "too_few_sentences"
        if len(kept) < len(lines):
            self.stat_update(f"{NOTE}lines_removed", value=len(lines) - len(kept))
        if text != doc.text:
            set_text(doc, text)
        return None

    def _is_kept(self, line: str) -> bool:
        settings = self.settings
        if settings.sentence_ends and (not line.endswith(ENDS) or line.endswith("...")):
            return False
        if count_words(line) < settings.min_line_words:
            return False
        return not (settings.no_javascript and "javascript" in line.lower()) and not POLICY.search(line)
