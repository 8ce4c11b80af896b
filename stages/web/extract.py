"""The extraction block: from markup to main text, with few newlines in a row and no addresses in it.

trafilatura (arXiv:2306.01116, section 3.1), tuned for precision, in a guarded child; resiliparse for the pages that are
too much for it. A page is never lost to a time limit: resiliparse takes a second for the largest.
"""

from __future__ import annotations

import re

from datatrove.data import Document, DocumentsPipeline
from resiliparse.extract.html2text import extract_plain_text

from stages.web.blocks import NOTE, Gate, set_text
from stages.web.guard import Guard, GuardError
from stages.web.rejects import Rejects
from stages.web.settings import ExtractionSettings

URL = re.compile(r"\b(?:https?|ftp)://[^\s<>\"']+|\bwww\.[^\s<>\"']+", re.IGNORECASE)
SPACES = re.compile(r"[ \t\u00a0]+(?=\n|$)|(?<=\n)[ \t]+")


class Extraction(Gate):
    """Replaces markup by main text; drops pages that have none."""

    name = "extraction"

    def __init__(self, settings: ExtractionSettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings
        self._guard = Guard(settings.timeout_s)
        self._newlines = re.compile(rf"\n{{{settings.max_newlines + 1},}}")

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Extract page by page; the child ends with the pipeline."""
        try:
            yield from super().run(data, rank, world_size)
        finally:
            self._guard.close()

    def reason(self, doc: Document) -> str | None:
        """Put the page's text in place of its markup; return `no_text` if it has none."""
        text = clean(
            self._extract(doc.text), self._newlines, "\n" * self.settings.max_newlines, self.settings.remove_urls
        )
        if not text:
            return "no_text"
        set_text(doc, text)
        return None

    def _extract(self, html: str) -> str:
        if self.settings.extractor == "resiliparse":
            return resiliparse_text(html)
        if len(html) > self.settings.max_chars or html.count("<") > self.settings.max_tags:
            self.stat_update(f"{NOTE}fallback_size")
            return resiliparse_text(html)
        try:
            return self._guard.extract(html)
        except GuardError:
            self.stat_update(f"{NOTE}fallback_no_answer")
            return resiliparse_text(html)


def resiliparse_text(html: str) -> str:
    """Return the main text by resiliparse, with the flags of DCLM (arXiv:2406.11794)."""
    return extract_plain_text(html, main_content=True, preserve_formatting=True, alt_texts=False, links=False)


def clean(text: str, newlines: re.Pattern[str], limit: str, remove_urls: bool) -> str:
    """Return the text without addresses, without spaces at line ends, and with runs of newlines cut to `limit`."""
    if remove_urls:
        text = URL.sub("", text)
    return newlines.sub(limit, SPACES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))).strip()
