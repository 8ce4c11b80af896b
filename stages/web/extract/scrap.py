"""Scraps: finds pages whose slow text is a copyright note or a caption while the fast text is prose.

A short article with many comments looks the same. Therefore the fast text is taken without its comments.
"""

from __future__ import annotations

import re

from stages.web.extract.resiliparse_text import main_text

MAX_CHARS = 3_000
"""A longer slow text is no scrap: what the fast text has more is comments."""
SHARE = 0.5
"""A scrap is shorter than this share of the fast text's prose."""
MIN_PROSE = 0.6
"""Smallest share of prose in a fast text that replaces a scrap, from its first line of prose to its last."""
LINE_WIDTH = 80
"""Width of the shortest line of prose. Wide characters count as three: they carry as much as a word's half."""
WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
END = re.compile(r"""[.!?…。！？؟۔।॥።\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]["'”’»)\]」』）]*$""")
"""The end of a sentence; Thai, Lao, Burmese and Khmer have no mark for it."""


def better_text(slow: str, html: str, fast_text: str) -> str | None:
    """Return the prose of the fast extractor if the slow text is a scrap of the page; None if it is not.

    Measured on `shared/data/web`: snippets .9235 to .930, articles .974 as before; 9 of 604 pages.
    """
    if len(slow) >= MAX_CHARS or len(slow) >= SHARE * _prose_chars(fast_text.split("\n")):
        return None
    lines = main_text(html, comments=False).split("\n")
    places = [place for place, line in enumerate(lines) if _is_prose(line)]
    lines = lines[places[0] : places[-1] + 1] if places else []
    prose = _prose_chars(lines)
    is_scrap = len(slow) < SHARE * prose and prose >= MIN_PROSE * sum(map(len, lines))
    return "\n".join(lines) if is_scrap else None


def _prose_chars(lines: list[str]) -> int:
    return sum(len(line) for line in lines if _is_prose(line))


def _is_prose(line: str) -> bool:
    line = line.strip()
    is_long = len(line) >= LINE_WIDTH or (3 * len(line) >= LINE_WIDTH <= len(line) + 2 * len(WIDE.findall(line)))
    return is_long and END.search(line) is not None
