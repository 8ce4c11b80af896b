"""The metadata of a page, typed: every key that the project puts into datatrove's `Document.metadata`."""

from __future__ import annotations

from typing import TypedDict, cast

import numpy as np
from datatrove.data import Document


class PageData(TypedDict, total=False):
    """A page's metadata. A reader of documents adds the fields of the documents format."""

    url: str
    source: str
    dump: str
    language: str
    language_score: float
    licence: str
    date: str
    bytes: int
    """UTF-8 bytes of the text, once counted."""
    token_count: int | None
    """Words and symbols of the text; None if it changed and was not counted since."""
    measures: np.void
    """Row of measures.MEASURES."""
    number: int
    """Place in the file from which the page was read."""
    is_plain: bool
    """Whether the text comes from a WET file, without markup."""
    fast_text: str
    """Text of the fast extractor, on its way from the preview to the extraction block."""
    extractor: str
    """The extractor whose text it is; `fallback` if the slow one failed, `none` if the page came as text."""
    filter_reason: str
    """Reason of a dropped page; datatrove's own key."""


def page_data(doc: Document) -> PageData:
    """Return a document's metadata, typed."""
    return cast(PageData, doc.metadata)
