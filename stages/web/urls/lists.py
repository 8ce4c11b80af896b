"""Lists of hosts and words for the URL filter: those in stages/web/data, and the user's own."""

from __future__ import annotations

from collections.abc import Container, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.text.word_lists import entries, shipped_digest, shipped_text

ROOM = "stages.web"
SHIPPED = {"excluded": "excluded_hosts.txt", "strict": "strict.txt", "hard": "hard.txt", "soft": "soft.txt"}
"""Files in stages/web/data, by the kind that `url_lists` replaces."""
KINDS_OF_LIST = ("blocked", "allowed", *SHIPPED)


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


def url_lists_digest() -> str:
    """Return a digest of the shipped lists."""
    return shipped_digest(ROOM, *SHIPPED.values())


def load_lists(own: Sequence[InputFile], domains: Container[str]) -> UrlLists:
    """Return the shipped lists with the user's own: `blocked` and `allowed` are added, the others replaced."""
    given: dict[str, set[str]] = {}
    for file in own:
        given.setdefault(file.source, set()).update(read_list(file.path))

    def chosen(kind: str) -> set[str]:
        if kind in given or kind not in SHIPPED:
            return given.get(kind, set())
        return {entry for _, entry in entries(shipped_text(ROOM, SHIPPED[kind]))}

    return UrlLists(
        domains=domains,
        blocked=chosen("blocked"),
        allowed=chosen("allowed"),
        excluded=chosen("excluded"),
        strict=sorted(chosen("strict")),
        hard=chosen("hard"),
        soft=chosen("soft"),
    )


def read_list(path: Path) -> set[str]:
    """Return the entries of a list, one a line; `#` starts a comment. Raises DataError if it cannot be read."""
    try:
        return {entry for _, entry in entries(path.read_text(encoding="utf-8"))}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"unreadable ({error})", "Write one host or word a line, in UTF-8") from error
