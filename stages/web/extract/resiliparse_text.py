"""The fast extractor: resiliparse, an HTML parser and a heuristic for main content in C++. The worst page takes a
second.
"""

from __future__ import annotations

import re
from functools import partial

from resiliparse.extract.html2text import extract_plain_text

NOSCRIPT = re.compile(r"<(/?)noscript\b", re.IGNORECASE)
SHORT_CHARS = 500
"""A shorter text may lack a page that lies within a `noscript` element that is never closed."""


def main_text(html: str, comments: bool = True) -> str:
    """Return the main text, with the flags of DCLM (arXiv:2406.11794), and with or without readers' comments."""
    return _text(html, main_content=True, comments=comments)


def whole_text(html: str) -> str:
    """Return all visible text, navigation and other boilerplate included."""
    return _text(html, main_content=False, comments=True)


def _text(html: str, main_content: bool, comments: bool) -> str:
    extract = partial(
        extract_plain_text,
        html,
        main_content=main_content,
        comments=comments,
        preserve_formatting=True,
        alt_texts=False,
        links=False,
    )
    text = extract()
    return extract(noscript=True) if len(text) < SHORT_CHARS and _leaves_noscript_open(html) else text


def _leaves_noscript_open(html: str) -> bool:
    tags = NOSCRIPT.findall(html)
    return tags.count("") > tags.count("/")
