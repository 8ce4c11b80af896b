"""The data card's format: what a corpus is made of, for programs. `card` writes it, and a page of the same content.

card.json: {title, about, sources: [...], steps: [...], contamination, quality, tokens, gaps}. Counts of a file of
documents are the same format with one source.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(kw_only=True)
class SourceCard:
    """Documents of one source."""

    name: str
    about: str = ""
    origin: str = ""
    """Where its documents come from."""
    licence: str = ""
    """Licence or terms of the source as a whole."""
    documents: int = 0
    bytes: int = 0
    words: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    """Documents by language; empty: unknown."""
    licences: dict[str, int] = field(default_factory=dict)
    """Documents by their own licence; empty: none is stated."""
    dumps: dict[str, int] = field(default_factory=dict)
    """Documents by dump."""
    dates: dict[str, int] = field(default_factory=dict)
    """Documents by month of their date; empty: none is stated."""

    def add(self, other: SourceCard) -> None:
        """Add the counts of another file."""
        self.documents += other.documents
        self.bytes += other.bytes
        self.words += other.words
        for mine, theirs in zip(_tables(self), _tables(other), strict=True):
            whole = Counter(mine) + Counter(theirs)
            mine.clear()
            mine.update(sorted(whole.items()))


def _tables(card: SourceCard) -> tuple[dict[str, int], ...]:
    return card.languages, card.licences, card.dumps, card.dates


@dataclass(kw_only=True)
class StepCard:
    """A filter with what it removed."""

    section: str
    step: str
    documents_in: int
    documents_out: int
    reasons: dict[str, int]


@dataclass(kw_only=True)
class TaskCard:
    """Questions of an evaluation that were looked for."""

    section: str
    task: str
    items: int
    short: int
    found: int


@dataclass(kw_only=True)
class Card:
    """A data card."""

    title: str
    about: str
    sources: list[SourceCard]
    steps: list[StepCard]
    contamination: list[TaskCard]
    removed: dict[str, str]
    """What was removed of contaminated documents, by section that looked."""
    quality: dict[str, float]
    """AUC of the model of quality on held-out documents, by section."""
    masked: dict[str, int]
    """Masks of personal data by kind."""
    tokens: dict[str, int]
    """Tokens by source, where they were counted."""
    gaps: list[str]


def write_card(path: Path, card: Card) -> None:
    """Write a card, atomically."""
    write_json(path, asdict(card))


def read_card(path: Path) -> Card:
    """Return the card of a file. Raises DataError if it holds none."""
    try:
        value: dict[str, Any] = read_json(path)
        value["sources"] = [SourceCard(**each) for each in value["sources"]]
        value["steps"] = [StepCard(**each) for each in value["steps"]]
        value["contamination"] = [TaskCard(**each) for each in value["contamination"]]
        return Card(**value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a data card ({error!r})", "Run `card` again") from error
