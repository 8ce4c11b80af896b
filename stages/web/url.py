"""The URL filter: block lists of hosts, words by severity, and hosts that a corpus takes from elsewhere.

arXiv:2306.01116, G.1. A strict word drops a page wherever it stands in the address, even across "-" and "."; a hard
word must be a whole word; of the soft words several are needed. Addresses are compared in lower case, %-escapes undone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from datatrove.data import Document

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.web.blocks import Gate
from stages.web.rejects import Rejects

WORD = re.compile(r"[^\W_]+")
OWN_LISTS = {"excluded": "excluded_hosts.txt", "strict": "strict.txt", "hard": "hard.txt", "soft": "soft.txt"}


@dataclass(frozen=True, kw_only=True)
class UrlLists:
    """Hosts and words, all in lower case."""

    domains: Container[str] = ()
    """Blocked domains (UT1), without a leading www."""
    blocked: Collection[str] = frozenset()
    """Hosts the user blocks, with everything below them."""
    allowed: Collection[str] = frozenset()
    """Hosts the user keeps, with everything below them, whatever the other lists say."""
    excluded: Collection[str] = frozenset()
    """Hosts whose content a corpus takes from a better source than a crawl."""
    strict: Sequence[str] = ()
    hard: Collection[str] = frozenset()
    soft: Collection[str] = field(default=frozenset())


def load_lists(own: Sequence[InputFile], domains: Container[str]) -> UrlLists:
    """Return the lists of stages/web/data with the user's own: `blocked` and `allowed` added, the others replaced."""
    given: dict[str, set[str]] = {}
    for file in own:
        given.setdefault(file.source, set()).update(read_list(file.path))
    shipped = {
        kind: set(_entries(files("stages.web").joinpath("data", name).read_text(encoding="utf-8").splitlines()))
        for kind, name in OWN_LISTS.items()
    }
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
        hosts = list(parents(host))
        if any(name in self.lists.allowed for name in hosts):
            return None
        return self._blocked(hosts, parts) or self._words(unquote(doc.metadata["url"]).lower())

    def _blocked(self, hosts: Sequence[str], parts: SplitResult) -> str | None:
        if any(name in self.lists.blocked for name in hosts):
            return "blocked_host"
        if any(name in self.lists.domains for name in hosts):
            return "blocked_domain"
        page = hosts[0].removeprefix("www.") + parts.path.lower().rstrip("/")
        if page in self.lists.domains or f"{page}?{parts.query.lower()}" in self.lists.domains:
            return "blocked_url"
        if any(name in self.lists.excluded for name in hosts):
            return "excluded_host"
        return None

    def _words(self, url: str) -> str | None:
        joined = url.replace("-", "").replace(".", "")
        if any(word in joined for word in self.lists.strict):
            return "strict_word"
        found = set(WORD.findall(url))
        if not found.isdisjoint(self.lists.hard):
            return "hard_word"
        if len(found.intersection(self.lists.soft)) >= self.min_soft_words:
            return "soft_words"
        return None


def parents(host: str) -> Iterator[str]:
    """Yield a host and what it is below: `a.b.com`, `b.com`. A list entry `b.com` thereby blocks `a.b.com`."""
    labels = host.lower().split(".")
    for start in range(max(1, len(labels) - 1)):
        yield ".".join(labels[start:])
