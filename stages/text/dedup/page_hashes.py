"""Hashes by which deduplication compares pages: of the URL and of the whole text."""

from __future__ import annotations

import re

import xxhash

PARTS = re.compile(r"((?:[^/?]*@)?)([^/?]*)(.*)", re.DOTALL)
"""User, host and the rest of a URL without its scheme."""


def url_hash(url: str) -> int:
    """Return the hash of a URL without scheme, `www.`, fragment and final slash: equal for captures of one page.

    Upper and lower case are equal in the host alone (RFC 3986, 6.2.2.1): `?v=aB` and `?v=Ab` are two pages.
    """
    user, host, rest = PARTS.findall(url.partition("#")[0].partition("://")[2])[0]
    name = f"{user}{host.lower().removeprefix('www.')}{rest}".rstrip("/")
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", errors="replace"))


def text_hash(text: str) -> int:
    """Return the hash of a text; white space does not count."""
    return xxhash.xxh3_64_intdigest(" ".join(text.split()).encode("utf-8", errors="replace"))
