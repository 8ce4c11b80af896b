"""Lists of hosts and words for the URL filter: those in stages/web/data, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.text.word_lists import entries, shipped_digest, shipped_text
from stages.web.urls.hosts import ascii_host, is_host

ROOM = "stages.web"
SHIPPED = {
    "excluded": "excluded_hosts.txt",
    "strict": "strict.txt",
    "innocent": "innocent.txt",
    "hard": "hard.txt",
    "soft": "soft.txt",
}
"""Files in stages/web/data, by the kind that `url_lists` replaces."""
HOST_KINDS = ("blocked", "allowed", "excluded")
KINDS_OF_LIST = ("blocked", "allowed", *SHIPPED)
ENTRY = re.compile(r"(?:(?:[a-z][a-z0-9+.-]*:)?//)?(?:\*?\.)?(\[[0-9a-f:.]+\]|[^\s/?#@:]+)(?::\d*)?\.?/?")
"""A host as people write it: `host`, `.host`, `*.host`, `host:80`, `http://host/`."""


@dataclass(frozen=True, kw_only=True)
class UrlLists:
    """Hosts and words, all in lower case. Hosts are in the form of `ascii_host`."""

    domains: Container[str] = ()
    """Blocked domains (UT1), without a leading www."""
    blocked: AbstractSet[str] = frozenset()
    """Hosts the user blocks, with everything below them."""
    allowed: AbstractSet[str] = frozenset()
    """Hosts the user keeps, with everything below them, whatever the other lists say."""
    excluded: AbstractSet[str] = frozenset()
    """Hosts whose content a corpus takes from a better source than a crawl."""
    strict: Sequence[str] = ()
    innocent: Sequence[str] = ()
    hard: AbstractSet[str] = frozenset()
    soft: AbstractSet[str] = frozenset()


def url_lists_digest() -> str:
    """Return a digest of the shipped lists."""
    return shipped_digest(ROOM, *SHIPPED.values())


def load_lists(own: Sequence[InputFile], domains: Container[str]) -> UrlLists:
    """Return the shipped lists with the user's own: `blocked` and `allowed` are added, the others replaced."""
    given: dict[str, set[str]] = {}
    for file in own:
        given.setdefault(file.source, set()).update(read_list(file.path, file.source))

    def chosen(kind: str) -> set[str]:
        if kind in given or kind not in SHIPPED:
            return given.get(kind, set())
        return {entry for _, entry in entries(shipped_text(ROOM, SHIPPED[kind]))}

    return UrlLists(
        domains=domains,
        blocked=chosen("blocked"),
        allowed=chosen("allowed"),
        excluded=chosen("excluded"),
        strict=sorted(word.replace("-", "").replace(".", "") for word in chosen("strict")),
        innocent=sorted(chosen("innocent")),
        hard=chosen("hard"),
        soft=chosen("soft"),
    )


def read_list(path: Path, kind: str) -> set[str]:
    """Return the entries of a list, one a line; `#` starts a comment. Hosts may be written as in a hosts file.

    Raises DataError if the file cannot be read, or for a line of a list of hosts that is none.
    """
    try:
        lines = [*entries(path.read_text(encoding="utf-8-sig"))]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"unreadable ({error})", "Write one host or word a line, in UTF-8") from error
    if kind not in HOST_KINDS:
        return {entry for _, entry in lines}
    return {host for number, entry in lines for host in _hosts(path, number, entry)}


def _hosts(path: Path, number: int, line: str) -> Iterator[str]:
    first, *names = line.split()
    for name in names if names and _is_address(first) else [first, *names]:
        found = ENTRY.fullmatch(name)
        host = ascii_host(name if _is_address(name) else found[1].strip("[]") if found else "")
        if not is_host(host) or (names and not _is_address(first)):
            remedy = "Write a host such as news.example: it stands for every page of it and of the hosts below it"
            raise DataError(path, f"{line!r} is not a host", remedy, number)
        yield host


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
