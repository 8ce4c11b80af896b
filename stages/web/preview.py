"""The first tier of extraction: a fast text of every page, and gates on it.

Most pages of a crawl are in another language than the wanted ones or have hardly any text. resiliparse's text shows
that at a tenth of trafilatura's cost; only what passes is worth the good extractor, or, where the fast text is all that
is wanted, the measuring. The fast text is noisier, so each gate is looser than the rule it anticipates, and what may be
a failure of the fast extractor is never held against a page: where its main text is short, the gates also look at all
of the page's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datatrove.data import Document

from stages.web.blocks import NOTE, Gate, set_text
from stages.web.fast_text import main_text, whole_text
from stages.web.language import default_model, probabilities
from stages.web.rejects import Rejects
from stages.web.settings import GateSettings
from stages.web.words import count_words

FAST_TEXT = "fast_text"
"""Where a page carries its fast text to the extraction block, which takes it out again."""
SHORT_WORDS = 100
"""A main text with fewer words may be a failure: of 607 real pages resiliparse finds none on six that have 200 to 1,200
words, and less than a tenth of the text on four more."""
SURE_CHARS = 2_000
"""A longer text is not short, whatever its words: it need not be split to know."""
SAMPLE_CHARS = 500
"""Characters of the fast text whose language is asked for, in pieces from all over it."""


class Preview(Gate):
    """Drops pages that the rules would drop anyway; leaves the markup of the others as it is."""

    name = "preview"

    def __init__(
        self,
        gates: GateSettings,
        languages: Sequence[str] | None = None,
        model: Path | None = None,
        rejects: Rejects | None = None,
    ) -> None:
        """`languages` are those that the pages are for: null where any is wanted, or where that is decided later."""
        super().__init__(rejects)
        self.gates = gates
        self.languages = languages
        self.model = model or default_model()

    def reason(self, doc: Document) -> str | None:
        """Return `no_text`, `too_few_words`, `other_language` or None."""
        is_plain = bool(doc.metadata.get("plain"))
        text = doc.text if is_plain else main_text(doc.text)
        reason = self._gate(text, None if is_plain else doc.text)
        if reason:
            set_text(doc, text)
        elif not is_plain:
            doc.metadata[FAST_TEXT] = text
        return reason

    def _gate(self, text: str, html: str | None) -> str | None:
        texts = [text]
        if len(text) < SURE_CHARS and (num_words := count_words(text)) < SHORT_WORDS:
            if html is not None:
                self.stat_update(f"{NOTE}short_main_text")
                texts.append(whole_text(html))
                num_words = count_words(texts[-1])
            if not num_words:
                return "no_text"
            if num_words < self.gates.min_words:
                return "too_few_words"
        if self.languages is None or self.gates.min_wanted == 0 or any(map(self._may_be_wanted, texts)):
            return None
        return "other_language"

    def _may_be_wanted(self, text: str) -> bool:
        found = probabilities(text, self.model, SAMPLE_CHARS, self.gates.min_wanted)
        return any(language in found for language in self.languages or ())
