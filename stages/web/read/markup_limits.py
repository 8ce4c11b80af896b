"""Limits on markup: finds in microseconds the pages on which a parser's time grows with the square of their size.

resiliparse 2.0.1 takes 4 s for the main text of 8,000 nested elements and minutes for 100,000; lexbor, its
parser, 4 minutes for a tag with 300,000 attributes. Browsers go no deeper than 512, so no real page needs more.
"""

from __future__ import annotations

import re

import numpy as np

MAX_DEPTH = 5_000
"""Nested elements: about a second of the fast extractor."""
MAX_ATTRIBUTES = 10_000
"""Attributes of one tag: a tenth of a second of the parser."""
LONG_TAG = 4 * MAX_ATTRIBUTES
"""Fewest bytes of so many different attributes."""
QUOTED = re.compile(rb'"[^"]*"|\'[^\']*\'')
TAG = re.compile(rb"<[a-zA-Z]")
NOT_NESTED = (
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr "  # no content
    "p li dd dt td th tr tbody thead tfoot option optgroup colgroup caption rp rt rb"  # their end tag is optional
)
CODES = np.unique([int.from_bytes(f"{name:3}"[:3].encode(), "big") for name in NOT_NESTED.split()])
SPACE, SLASH = 32, 47
LETTERS = np.array([ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else SPACE for code in range(256)])
"""Letters and digits in lower case, by byte; any other byte ends a name and is a space here."""


def broken_limit(body: bytes) -> str:
    """Return `too_deep`, `too_many_attributes` or an empty string, for markup in a charset that contains ASCII."""
    data = np.frombuffer(body, dtype=np.uint8)
    if np.count_nonzero(data == ord("<")) > MAX_DEPTH and depth(body) > MAX_DEPTH:  # bytes.count takes 8 times longer
        return "too_deep"
    return "too_many_attributes" if any(map(_has_many, _long_tags(body))) else ""


def depth(body: bytes) -> int:
    """Return the largest depth of nested elements, without those that parsers close themselves.

    An estimate: text that looks like tags counts as tags, and elements are known by their first three letters.
    """
    data = np.frombuffer(body + b"   ", dtype=np.uint8)
    places = np.flatnonzero(data[:-3] == ord("<"))
    is_end = data[places + 1] == SLASH
    places = places + 1 + is_end
    places = np.minimum(places, len(data) - 3)
    first, second, third = (LETTERS[data[places + offset]] for offset in range(3))
    third[second == SPACE] = SPACE
    codes = (first << 16) | (second << 8) | third
    counts = (first >= ord("a")) & ~np.isin(codes, CODES)
    return int(np.cumsum(np.where(is_end, -1, 1)[counts]).max(initial=0))


def _long_tags(body: bytes) -> list[bytes]:
    """Return the tags whose `>` is more than LONG_TAG bytes away."""
    found, at = [], 0
    while len(body) - at > LONG_TAG:
        end = body.rfind(b">", at, at + LONG_TAG)
        if end >= 0:
            at = end + 1
            continue
        end = body.find(b">", at + LONG_TAG)
        end = end if end >= 0 else len(body)
        if tag := TAG.search(body, at, end):
            found.append(body[tag.start() : end])
        at = end + 1
    return found


def _has_many(tag: bytes) -> bool:
    return len(QUOTED.sub(b"", tag).split(None, MAX_ATTRIBUTES + 1)) > MAX_ATTRIBUTES
