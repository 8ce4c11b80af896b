"""Lists that ship in stages/web/data: their text, and a digest of them, so that an edit changes what a step is."""

from __future__ import annotations

import hashlib
from importlib.resources import files

URL_LISTS = {"excluded": "excluded_hosts.txt", "strict": "strict.txt", "hard": "hard.txt", "soft": "soft.txt"}
"""By the kind that `web.url_lists` replaces."""
WORD_LISTS = ("function_words.txt", "stop_words.txt")


def shipped_text(name: str) -> str:
    """Return a list of stages/web/data."""
    return files("stages.web").joinpath("data", name).read_text(encoding="utf-8")


def shipped_digest(*names: str) -> str:
    """Return a digest of some of the lists, for `Step.data`. They are part of the code: reading them is as pure."""
    digest = hashlib.sha256()
    for name in sorted(names):
        content = shipped_text(name).encode()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
