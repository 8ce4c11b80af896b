"""The extraction block: from markup to main text, cleaned.

trafilatura (arXiv:2306.01116, section 3.1), tuned for precision, or jusText runs in a supervised child. resiliparse
takes the pages that are beyond their limits, and those with a scrap as their slow text. No page is lost to a limit:
resiliparse takes a second for the largest.
"""

from __future__ import annotations

from pathlib import Path

from datatrove.data import Document, DocumentsPipeline

from stages.text.blocks.gate import NOTE, Gate, set_text
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import FALLBACK, Rejects
from stages.text.rules.language import default_model, probabilities
from stages.web.extract.child import TRAFILATURA
from stages.web.extract.cleaning import Cleaner
from stages.web.extract.justext_text import stop_list
from stages.web.extract.preview import SAMPLE_CHARS
from stages.web.extract.resiliparse_text import main_text
from stages.web.extract.scrap import MAX_CHARS, better_text
from stages.web.extract.supervisor import ExtractionError, Supervisor
from stages.web.settings import ExtractionSettings


class Extraction(Gate):
    """Replaces markup by main text; drops pages without text. Works after Preview, or alone."""

    name = "extraction"

    def __init__(self, settings: ExtractionSettings, rejects: Rejects | None = None, model: Path | None = None) -> None:
        """`model` is the language model that chooses jusText's stop list."""
        super().__init__(rejects)
        self.settings = settings
        self.model = model or default_model()
        self._cleaner = Cleaner(settings)
        self._supervisor = Supervisor(settings.timeout_s, settings.memory_mb)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Extract page by page; the child ends with the pipeline."""
        try:
            yield from super().run(data, rank, world_size)
        finally:
            self._supervisor.close()

    def reason(self, doc: Document) -> str | None:
        """Replace the page's markup by its text; return `no_text` if it has none."""
        page = page_data(doc)
        fast_text = page.pop("fast_text", None)
        if page.get("is_plain"):
            text, extractor = doc.text, "none"
        elif self.settings.extractor == "resiliparse":
            text, extractor = main_text(doc.text) if fast_text is None else fast_text, "resiliparse"
        else:
            text, extractor = self._slow_text(doc.text, fast_text)
        page["extractor"] = extractor
        text = self._cleaner.clean(text)
        if not text:
            return "no_text"
        set_text(doc, text)
        return None

    def _slow_text(self, html: str, fast_text: str | None) -> tuple[str, str]:
        if len(html) > self.settings.max_chars or html.count("<") > self.settings.max_tags:
            return self._fallback("size", html, fast_text)
        how = TRAFILATURA
        if self.settings.extractor == "justext":
            fast_text = main_text(html) if fast_text is None else fast_text
            name = self._stop_list(fast_text)
            if name is None:
                return self._fallback("no_stop_list", html, fast_text)
            how = name
        try:
            text = self._supervisor.extract(how, html)
        except ExtractionError as error:
            return self._fallback(error.reason, html, fast_text)
        if len(text) < MAX_CHARS and (better := better_text(text, html, fast_text or main_text(html))):
            return self._fallback("scrap", html, better)
        return text, "justext" if how != TRAFILATURA else TRAFILATURA

    def _fallback(self, why: str, html: str, fast_text: str | None) -> tuple[str, str]:
        self.stat_update(f"{NOTE}fallback_{why}")
        return main_text(html) if fast_text is None else fast_text, FALLBACK

    def _stop_list(self, text: str) -> str | None:
        found = probabilities(text, self.model, SAMPLE_CHARS)
        return stop_list(max(found, key=lambda language: found[language], default=""))
