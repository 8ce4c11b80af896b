"""Memory of a search's index, from the size of its documents, for `plan`. Light.

Measured: 161 and 191 MB for 2.0 and 7.4 MB of pages, 192 MB for 4 MB of texts in which no word comes twice. What is
opened from its folder has the passages; the scores are mapped. Compressed documents have three to four bytes of text
a byte.
"""

from __future__ import annotations

from collections.abc import Iterable

from stages.shared.contract import InputFile

LIBRARIES_MB = 150.0
"""Compiled functions among them."""
TEXT = 4.0
"""MB of text a MB of documents."""
MADE, OPENED = 10.0, 2.5
"""Bytes a byte of text."""


def making_mb(documents: Iterable[InputFile]) -> float:
    """Return the memory of making the index of documents; 0 without documents."""
    return _taken(documents, MADE)


def searching_mb(documents: Iterable[InputFile]) -> float:
    """Return the memory of an index that is opened; 0 without documents."""
    return _taken(documents, OPENED)


def _taken(documents: Iterable[InputFile], share: float) -> float:
    sizes = [file.mb for file in documents]
    return LIBRARIES_MB + share * TEXT * sum(sizes) if sizes else 0.0
