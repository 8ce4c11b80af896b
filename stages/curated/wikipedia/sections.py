"""Sections and lines of a page whose inner marks are resolved: headings, lists, and what empty places leave behind."""

from __future__ import annotations

import re
from collections.abc import Collection

HEADING = re.compile(r"\n(={1,6})[ \t]*([^\n]*?)[ \t]*\1[ \t]*(?=\n|\Z)")
RULE = re.compile(r"\n-{4,}")
LIST = re.compile(r"\n([*#:;]+) ?")
SPACES = re.compile("  +")
BLANK_LINES = re.compile(r"\n{3,}")
EMPTY = re.compile(r" ?[(（][ ,;:،、，；/–-]*[)）]")
"""Brackets whose template was dropped: `London (; )`."""
OPENED = re.compile(r"([(（])[ ,;:،、，；]+")
CLOSED = re.compile(r"[ ,;:،、，；]+([)）])")
BEFORE_MARK = re.compile(r" ([,.;])(?=\s|\Z)")
EMPTY_LINE = re.compile(r"\n *[-•|!] *(?=\n|\Z)")


def without_tails(text: str, tails: Collection[str]) -> str:
    """Return a text without the sections of these titles and those without text; other titles stay as lines."""
    parts = HEADING.split(f"\n{text}")  # lead, then mark, title and body of each section
    found = [parts[0]]
    waiting: list[tuple[int, str]] = []
    dropped = 99
    for mark, title, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        level = len(mark)
        if level > dropped:
            continue
        dropped = 99
        if title.strip().lower() in tails:
            dropped = level
            continue
        while waiting and waiting[-1][0] >= level:  # the title before had no text
            waiting.pop()
        waiting.append((level, title))
        if body.strip():
            found += [f"\n\n{each}\n" for _, each in waiting] + [body]
            waiting.clear()
    return "".join(found)


def clean_lines(text: str) -> str:
    """Return a text with lists as lines of their own, and without the traces of what was dropped."""
    text = SPACES.sub(" ", f"\n{text}".replace("\t", " "))
    text = LIST.sub(_bullet, RULE.sub("\n", text))
    if "(" in text or "（" in text:
        text = CLOSED.sub(r"\1", OPENED.sub(r"\1", EMPTY.sub("", text)))
    text = BEFORE_MARK.sub(r"\1", text).replace(" \n", "\n")
    return BLANK_LINES.sub("\n\n", EMPTY_LINE.sub("", text)).strip()


def _bullet(found: re.Match[str]) -> str:
    marks = found[1]
    depth = sum(map(marks.count, "*#"))
    return f"\n{'  ' * (depth - 1)}- " if marks[-1] in "*#" and depth < 20 else "\n"
