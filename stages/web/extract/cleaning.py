"""Cleans extracted text: removes URLs and spaces at the ends of lines, limits blank lines."""

from __future__ import annotations

import re

from stages.web.settings import ExtractionSettings

URL = re.compile(r"\b(?:https?|ftp)://[^\s<>\"']+|\bwww\.[^\s<>\"']+", re.IGNORECASE)
SPACES_BEFORE = " \t"
SPACES_AFTER = " \t\u00a0"


class Cleaner:
    """Cleans many texts with the same settings."""

    def __init__(self, settings: ExtractionSettings) -> None:
        self.remove_urls = settings.remove_urls
        self._limit = "\n" * settings.max_newlines
        self._newlines = re.compile(rf"\n{{{settings.max_newlines + 1},}}")

    def clean(self, text: str) -> str:
        """Return the text without URLs and without spaces at line ends, with shortened runs of newlines."""
        # The expression is slow, and most texts have no URL.
        if self.remove_urls and ("://" in text or "www." in text.lower()):
            text = URL.sub("", text)
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        text = "\n".join([line.rstrip(SPACES_AFTER).lstrip(SPACES_BEFORE) for line in lines])
        return self._newlines.sub(self._limit, text).strip()
