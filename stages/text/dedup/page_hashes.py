"""Hashes by which deduplication compares pages: of the URL and of the whole text."""

from __future__ import annotations

import xxhash


def url_hash(url: str) -> int:
    """Return the hash of a URL without scheme, `www.`, fragment and final slash: equal for captures of one page."""
    name = url.partition("#")[0].partition("://")[2].lower().removeprefix("www.").rstrip("/")
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", errors="replace"))


def text_hash(text: str) -> int:
    """Return the hash of a text; white space does not count."""
    return xxhash.xxh3_64_intdigest(" ".join(text.split()).encode("utf-8", errors="replace"))
