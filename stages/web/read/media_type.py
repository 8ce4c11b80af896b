"""Media type of a response, from its header as browsers read it (WHATWG Fetch, "extract a MIME type")."""

from __future__ import annotations

import re
from typing import NamedTuple

PART = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
"""One of several values; a comma in quotes divides nothing."""
NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)
CHARSET = re.compile(r""";\s*charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
UNKNOWN = ("*/*", "unknown/unknown", "application/unknown")
"""Types by which browsers do not go: they look at the content."""
UNSURE = "application/octet-stream"
"""The type of a server that does not know the file."""


class MediaType(NamedTuple):
    """Type and charset; empty if unknown."""

    name: str = ""
    charset: str = ""


def media_type(header: str, identified: str = "") -> MediaType:
    """Return the media type of a Content-Type header, whose values are joined by commas if it came several times.

    The last valid value counts; of equal types the last charset. `identified` is the type that the crawler found in
    the content (WARC-Identified-Payload-Type); it counts where the header is missing, invalid or unknown.
    """
    name = charset = ""
    for part in PART.findall(header):
        found = NAME.fullmatch(part.partition(";")[0].strip())
        if found is None or found[0].lower() in UNKNOWN:
            continue
        given = CHARSET.search(part)
        if found[0].lower() != name:
            charset = ""
        name, charset = found[0].lower(), given[1] if given else charset
    if identified and name in ("", UNSURE):
        name = identified.partition(";")[0].strip().lower()
    return MediaType(name, charset)
