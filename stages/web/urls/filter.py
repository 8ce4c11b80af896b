"""The URL filter: block lists of hosts, words by severity, and hosts that a corpus takes from elsewhere.

arXiv:2306.01116, G.1. A strict word drops a page wherever it stands in the URL, even across "-" and "."; a hard word
must be a whole word; of the soft words several are needed. URLs are compared in lower case, %-escapes undone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from datatrove.data import Document

from stages.text.blocks.gate import Gate
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.web.urls.hosts import with_parents
from stages.web.urls.lists import UrlLists

WORD = re.compile(r"[^\W_]+")


class UrlFilter(Gate):
    """Drops pages for their URL."""

    name = "url"

    def __init__(self, lists: UrlLists, min_soft_words: int = 2, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.lists = lists
        self.min_soft_words = min_soft_words

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page's URL breaks."""
        url = page_data(doc)["url"]
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return "bad_url"
        if not host or parts.scheme.lower() not in ("http", "https"):
            return "bad_url"
        hosts = with_parents(host)
        if not self.lists.allowed.isdisjoint(hosts):
            return None
        return self._blocked(hosts, parts) or self._words(unquote(url).lower())

    def _blocked(self, hosts: Sequence[str], parts: SplitResult) -> str | None:
        if not self.lists.blocked.isdisjoint(hosts):
            return "blocked_host"
        for name in hosts:
            if name in self.lists.domains:
                return "blocked_domain"
        page = hosts[0].removeprefix("www.") + parts.path.lower().rstrip("/")
        if page in self.lists.domains or (parts.query and f"{page}?{parts.query.lower()}" in self.lists.domains):
            return "blocked_url"
        if not self.lists.excluded.isdisjoint(hosts):
            return "excluded_host"
        return None

    def _words(self, url: str) -> str | None:
        joined = url.replace("-", "").replace(".", "")
        for word in self.lists.strict:
            if word in joined:
                return "strict_word"
        found = set(WORD.findall(url))
        if not found.isdisjoint(self.lists.hard):
            return "hard_word"
        if len(found.intersection(self.lists.soft)) >= self.min_soft_words:
            return "soft_words"
        return None
