"""The quality format: scores of documents by source, and what the classifier is worth. `quality` writes it.

Scores are counted in STEPS equal steps from 0 to 1, so that the report has the sum of kept documents by threshold.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json

MASKS = {"emails": "mail addresses", "ips": "IP addresses", "phones": "telephone numbers"}
"""Kinds of personal data that are masked, for people."""
STEPS = 100
"""Steps in which scores are counted."""


@dataclass(kw_only=True)
class Measured:
    """A classifier on documents that it was not trained on."""

    trained: tuple[int, int]
    heldout: tuple[int, int]
    """Documents, good and bad."""
    auc: float
    """Probability that a good document has a higher score than a bad one."""
    good: list[int]
    bad: list[int]
    """Held-out documents by score."""


@dataclass(kw_only=True)
class SourceScores:
    """Documents of one source by score."""

    documents: list[int]
    bytes: list[int]
    """UTF-8 bytes of their texts."""


@dataclass(kw_only=True)
class Quality:
    """Scores and masks of documents."""

    sources: dict[str, SourceScores] = field(default_factory=dict)
    masked: dict[str, int] = field(default_factory=dict)
    """Masks by kind of personal data."""
    threshold: float | None = None
    bands: list[float] = field(default_factory=list)
    measured: Measured | None = None
    """None: the classifier was given."""

    def add(self, other: Quality) -> None:
        """Add the counts of another file."""
        for name, scores in other.sources.items():
            into = self.sources.setdefault(name, SourceScores(documents=[0] * STEPS, bytes=[0] * STEPS))
            into.documents = [one + more for one, more in zip(into.documents, scores.documents, strict=True)]
            into.bytes = [one + more for one, more in zip(into.bytes, scores.bytes, strict=True)]
        for name, count in other.masked.items():
            self.masked[name] = self.masked.get(name, 0) + count


def write_quality(path: Path, found: Quality) -> None:
    """Write scores, atomically."""
    write_json(path, asdict(found))


def read_quality(path: Path) -> Quality:
    """Return the scores of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        measured, sources = value.pop("measured"), value.pop("sources")
        for name in ("trained", "heldout") if measured else ():
            measured[name] = tuple(measured[name])
        scores = {name: SourceScores(**each) for name, each in sources.items()}
        return Quality(measured=Measured(**measured) if measured else None, sources=scores, **value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no scores of quality ({error!r})", "Run `quality` again") from error
