"""Project Gutenberg's frame around a book: what it says of the book, and the text without it."""

from __future__ import annotations

import re
from typing import NamedTuple

START = re.compile(
    r"^[ \t]*(?:\*{3}[ \t]*START OF (?:THE|THIS) PROJECT GUTENBERG [^\n]{0,300}"
    r"(?:\n[^\n*]{1,200}){0,3}?\*{3}|\*?END[* ]*THE SMALL PRINT![^\n]{0,200}\*END\*)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
END = re.compile(
    r"^[ \t]*(?:\*{3}[ \t]*END OF (?:THE|THIS) PROJECT GUTENBERG |End of (?:The |this )?Project Gutenberg(?:'s|’s)? )",
    re.MULTILINE | re.IGNORECASE,
)
PRODUCED = re.compile(
    r"\A\s*(?:(?:Produced|Prepared|Transcribed|E-text prepared|This etext was (?:prepared|produced))\b[^\n]*"
    r"(?:\n[^\n]+){0,8}\n\s*\n)",
    re.IGNORECASE,
)
FIELD = re.compile(r"^(Title|Author|Language|Release date|Copyright Status)[ \t]*:[ \t]*([^\n]{1,300})", re.M | re.I)
HEAD = 20_000
"""Characters in which the frame begins."""


class Framed(NamedTuple):
    """A book without its frame."""

    text: str
    fields: dict[str, str]
    """What the frame says of the book, by name in lower case; empty for a text without a frame."""


def unframed(text: str) -> Framed:
    """Return a text without Project Gutenberg's licence; a text without one stays as it is."""
    start = START.search(text, 0, HEAD)
    ends = [found.start() for found in END.finditer(text, start.end() if start else len(text) // 2)]
    if start is None and not ends:
        return Framed(text.strip(), {})
    fields = {name.lower(): value.strip() for name, value in FIELD.findall(text[: start.start() if start else HEAD])}
    body = text[start.end() if start else 0 : ends[0] if ends else len(text)]
    return Framed(PRODUCED.sub("", body).strip(), fields)
