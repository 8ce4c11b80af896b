"""The first tier of extraction: a fast text of every page, and gates on it.

Most pages of a crawl are in an unwanted language or have hardly any text. resiliparse's text shows that at a tenth of
trafilatura's cost. Only pages that pass the gates reach the slow extractor (or the measuring, if the fast text is the
final one). The fast text is noisier, so each gate is looser than the rule that it anticipates. A failure of the fast
extractor must not drop a page: where its main text is short, the gates also judge all of the page's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datatrove.data import Document

from stages.text.blocks.gate import NOTE, Gate, set_text
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.rules.language import default_model, probabilities
from stages.text.words.tokens import count_words
from stages.web.extract.resiliparse_text import main_text, whole_text
from stages.web.settings import GateSettings

SHORT_WORDS = 100
"""A main text with fewer words may be a failure: resiliparse finds no text on six of 607 real pages, which have 200 to
1,200 words, and less than a tenth of the text on four more."""
SURE_CHARS = 2_000
"""A text with more characters is never short, so its words need not be counted."""
SAMPLE_CHARS = 500
"""Characters of the fast text that are scored for their language, in pieces from all over it."""


class Preview(Gate):
    """Drops pages that the rules would drop anyway. Leaves the markup of the others unchanged."""

    name = "preview"

    def __init__(
        self,
        gates: GateSettings,
        languages: Sequence[str] | None = None,
        model: Path | None = None,
        rejects: Rejects | None = None,
    ) -> None:
        """`languages` are the wanted ones; None if any is wanted, or if a later step decides."""
        super().__init__(rejects)
        self.gates = gates
        self.languages = languages
        self.model = model or default_model()

    def reason(self, doc: Document) -> str | None:
        """Return `no_text`, `too_few_words`, `other_language` or None."""
        is_plain = page_data(doc).get("is_plain", False)
        text = doc.text if is_plain else main_text(doc.text)
        reason = self._gate(text, None if is_plain else doc.text)
        if reason:
            set_text(doc, text)
        elif not is_plain:
            page_data(doc)["fast_text"] = text
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
