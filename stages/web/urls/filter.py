"""The URL filter: block lists of hosts, words by severity, and hosts that a corpus takes from elsewhere.

arXiv:2306.01116, G.1. A strict word drops a page wherever it stands in a word of the URL, and where "-" and "." divide
it into whole words (`p-o.rn`); an innocent word around it protects the page. A hard word must be a whole word; of the
soft words several are needed. URLs are compared in lower case, %-escapes undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from datatrove.data import Document

from stages.text.blocks.gate import Gate
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.web.urls.hosts import ascii_host, with_parents
from stages.web.urls.lists import UrlLists

WORD = re.compile(r"[^\W_]+")


class UrlFilter(Gate):
    """Drops pages for their URL."""

    name = "url"

    def __init__(self, lists: UrlLists, min_soft_words: int = 2, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.lists = lists
        self.min_soft_words = min_soft_words
        self._innocent = _any_of(lists.innocent)

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page's URL breaks."""
        url = page_data(doc)["url"]
        try:
            parts = urlsplit(url)
            host = ascii_host(parts.hostname or "")
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
        if any(word in joined and self._is_meant(word, url) for word in self.lists.strict):
            return "strict_word"
        found = set(WORD.findall(url))
        if not found.isdisjoint(self.lists.hard):
            return "hard_word"
        if len(found.intersection(self.lists.soft)) >= self.min_soft_words:
            return "soft_words"
        return None

    def _is_meant(self, word: str, url: str) -> bool:
        """Return whether a strict word stands in one word of the URL, not an innocent one, or fills whole words."""
        innocent = [match.span(1) for match in self._innocent.finditer(url)]
        for place in _places(word, url):
            if not any(start < place + len(word) and place < end for start, end in innocent):
                return True
        divided = "[-.]*".join(map(re.escape, word))
        whole = re.finditer(rf"(?<![^\W_])({divided})s?(?![^\W_])", url)
        return any(match[1] != word for match in whole)


def _places(word: str, text: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern whose group 1 is one of the words, wherever one begins: also where they overlap."""
    return re.compile(f"(?=({'|'.join(map(re.escape, words)) or '(?!)'}))")
