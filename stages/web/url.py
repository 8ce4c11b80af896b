"""The URL filter: block lists of hosts, words by severity, and hosts that a corpus takes from elsewhere.

arXiv:2306.01116, G.1. A strict word drops a page wherever it stands in the address, even across "-" and "."; a hard
word must be a whole word; of the soft words several are needed. Addresses are compared in lower case, %-escapes undone.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from datatrove.data import Document

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.web.blocks import Gate
from stages.web.rejects import Rejects
from stages.web.shipped import URL_LISTS, shipped_text

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class UrlLists:
    """Hosts and words, all in lower case."""

    domains: Container[str] = ()
    """Blocked domains (UT1), without a leading www."""
    blocked: AbstractSet[str] = frozenset()
    """Hosts the user blocks, with everything below them."""
    allowed: AbstractSet[str] = frozenset()
    """Hosts the user keeps, with everything below them, whatever the other lists say."""
    excluded: AbstractSet[str] = frozenset()
    """Hosts whose content a corpus takes from a better source than a crawl."""
    strict: Sequence[str] = ()
    hard: AbstractSet[str] = frozenset()
    soft: AbstractSet[str] = frozenset()


def load_lists(own: Sequence[InputFile], domains: Container[str]) -> UrlLists:
    """Return the lists of stages/web/data with the user's own: `blocked` and `allowed` added, the others replaced."""
    given: dict[str, set[str]] = {}
    for file in own:
        given.setdefault(file.source, set()).update(read_list(file.path))
    shipped = {kind: set(_entries(shipped_text(name).splitlines())) for kind, name in URL_LISTS.items()}
    lists: Mapping[str, set[str]] = {"blocked": set(), "allowed": set(), **shipped, **given}
    return UrlLists(domains=domains, **{**lists, "strict": sorted(lists["strict"])})


def read_list(path: Path) -> set[str]:
    """Return the entries of a list, one a line; `#` starts a comment. Raises DataError if it cannot be read."""
    try:
        return set(_entries(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"unreadable ({error})", "Want a text file with one host or word a line") from error


def _entries(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if entry := line.partition("#")[0].strip().lower():
            yield entry


class UrlFilter(Gate):
    """Drops pages for their address."""

    name = "url"

    def __init__(self, lists: UrlLists, min_soft_words: int = 2, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.lists = lists
        self.min_soft_words = min_soft_words

    def reason(self, doc: Document) -> str | None:
        """Return the first rule that the page's address breaks."""
        try:
            parts = urlsplit(doc.metadata["url"])
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return "bad_url"
        if not host or parts.scheme.lower() not in ("http", "https"):
            return "bad_url"
        hosts = parents(host)
        if not self.lists.allowed.isdisjoint(hosts):
            return None
        return self._blocked(hosts, parts) or self._words(unquote(doc.metadata["url"]).lower())

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


def parents(host: str) -> list[str]:
    """Return a host and what it is below: `a.b.com`, `b.com`, `com`.

    A list entry `b.com` thereby blocks `a.b.com`, and `xxx` (UT1 lists four such) all of that top-level domain.
    """
    host = host.lower()
    found = [host]
    for _ in range(host.count(".")):
        host = host.partition(".")[2]
        found.append(host)
    return found
