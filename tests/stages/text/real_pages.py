"""The main texts of real pages that lie beside the repository, and datatrove's words of them; tests skip without."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

PAGES = Path(__file__).parents[4] / "shared" / "data" / "web" / "pages.warc.gz"

needs_pages = pytest.mark.skipif(not PAGES.exists(), reason=f"needs the real pages of {PAGES.parent}")


@lru_cache(maxsize=1)
def page_texts() -> tuple[str, ...]:
    """Return the text of every page that has any."""
    with PAGES.open("rb") as file:
        bodies = [record.reader.read() for record in ArchiveIterator(file, record_types=WarcRecordType.response)]
    pages = (bytes_to_str(body, detect_encoding(body)) for body in bodies)
    texts = (extract_plain_text(page, main_content=True, preserve_formatting=True).strip() for page in pages)
    return tuple(text for text in texts if text)


@cache
def datatrove_words(text: str, language: str = "eng") -> list[str]:
    """Return the words that datatrove's filters see: spaCy's, 10 ms a page."""
    text_module = pytest.importorskip("datatrove.utils.text")
    pytest.importorskip("spacy", reason="datatrove splits words with spaCy")
    words: list[str] = text_module.split_into_words(text, language)
    return words
