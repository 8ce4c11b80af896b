"""Lists in text files that ship with a room's code: their text, their entries, and a digest of them.

The digest goes into `Step.data`, so that an edited list changes the identities of the units that depend on it. The
lists are part of the code: reading them on a login node is as pure as an import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files

from stages.shared.errors import DataError

ROOM = "stages.text"
STOP_WORDS = "stop_words.txt"
FUNCTION_WORDS = "function_words.txt"


def shipped_text(package: str, name: str) -> str:
    """Return a list of a package's `data` folder."""
    return files(package).joinpath("data", name).read_text(encoding="utf-8")


def shipped_digest(package: str, *names: str) -> str:
    """Return a digest of some lists of a package; their order does not matter."""
    digest = hashlib.sha256()
    for name in sorted(names):
        content = shipped_text(package, name).encode()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def word_lists_digest() -> str:
    """Return the digest of the lists of words by language."""
    return shipped_digest(ROOM, STOP_WORDS, FUNCTION_WORDS)


def entries(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the content of each line that has any, in lower case; `#` starts a comment."""
    for number, line in enumerate(text.splitlines(), start=1):
        if entry := line.partition("#")[0].strip().lower():
            yield number, entry


def words_by_language(name: str) -> dict[str, tuple[str, ...]]:
    """Return the words of a shipped list, by language code; several lines of one language add up.

    Raises DataError for a line that is not `code: words`.
    """
    lists: dict[str, tuple[str, ...]] = {}
    for number, entry in entries(shipped_text(ROOM, name)):
        language, colon, words = entry.partition(":")
        if not colon:
            remedy = "Write `code: words`, such as `en: the of and`"
            raise DataError(f"{ROOM.replace('.', '/')}/data/{name}", "a line without a language code", remedy, number)
        lists[language.strip()] = (*lists.get(language.strip(), ()), *words.split())
    return lists
