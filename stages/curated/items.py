"""Items of a curated source: each is a text, or the reason why it gives none; and damages of its file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A text of the source: an article, a thread, a book, a file of code, a paper, a row."""

    id: str
    url: str
    text: str
    language: str = ""
    """Language code, or the programming language; empty: fastText labels it."""
    language_score: float = 1.0
    """As the source knows it, where it names the language."""
    licence: str = ""
    date: str = ""
    source: str = ""
    """Where rows name the source that each comes from; empty: the name of the input."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """An item that gives no document."""

    reason: str
    id: str
    """Names it in its file: a title, a path, a number."""
    url: str = ""
    text: str = ""
    """Its beginning is kept for reading."""
    count: int = 1
    """Items that it stands for, where they are known only by their number."""


Found = Item | Dropped


class Damaged(Exception):  # noqa: N818  (a finding that is counted, not an error)
    """A part of a file cannot be read. `reason` is that of an item that is dropped."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
