"""The fast extractor: resiliparse, an HTML parser and a heuristic for main content in C++. The worst page takes a
second.
"""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text


def main_text(html: str) -> str:
    """Return the main text, with the flags of DCLM (arXiv:2406.11794)."""
    return extract_plain_text(html, main_content=True, preserve_formatting=True, alt_texts=False, links=False)


def whole_text(html: str) -> str:
    """Return all visible text, navigation and other boilerplate included."""
    return extract_plain_text(html, preserve_formatting=True, alt_texts=False, links=False)
