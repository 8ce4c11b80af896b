"""jusText: judges paragraphs by length, links and the share of stop words of the page's language."""

from __future__ import annotations

import justext
from trafilatura.settings import JUSTEXT_LANGUAGES


def stop_list(language: str) -> str | None:
    """Return the name of jusText's stop list for a language code, or None if it has none."""
    name: str | None = JUSTEXT_LANGUAGES.get(language)
    return name


def good_paragraphs(html: str, stop_list_name: str) -> str:
    """Return the paragraphs that are not boilerplate, one a line."""
    paragraphs = justext.justext(html, justext.get_stoplist(stop_list_name))
    return "\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate)
