"""Rejects: a sample of the dropped pages for reading, a few per step and reason, the same ones every time."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import xxhash
from datatrove.data import Document

from stages.formats.documents import EXTRA_FIELDS, FIELDS, DocumentWriter, read_documents
from stages.text.blocks.page_data import page_data

FALLBACK = "fallback"
"""Value of `extractor` for a page whose slow extractor failed: its text is the fast one."""
SNIPPET = 1_000
"""Characters of a dropped page that are kept."""


class Rejects:
    """Keeps the pages with the smallest hashes of their ids, for each step and reason. Their order does not matter."""

    def __init__(self, per_reason: int) -> None:
        self.per_reason = per_reason
        self._samples: dict[tuple[str, str], list[tuple[int, str, str, dict[str, Any]]]] = {}

    def of_step(self, step: str) -> StepRejects:
        """Return the object to which a block of that step hands its dropped pages."""
        return StepRejects(self, step)

    def add(self, step: str, reason: str, document: dict[str, Any]) -> None:
        """Offer one dropped page, given in the documents format."""
        row = {**document, "text": document["text"][:SNIPPET], "step": step, "reason": reason}
        place = xxhash.xxh3_64_intdigest(f"{row['id']} {row['url']}")
        kept = self._samples.setdefault((step, reason), [])
        # Negated, so that the heap's root is the largest hash; id and url settle equal hashes before rows are compared.
        entry = (-place, row["id"], row["url"], row)
        if len(kept) < self.per_reason:
            heapq.heappush(kept, entry)
        elif kept and entry[0] > kept[0][0]:
            heapq.heapreplace(kept, entry)

    def add_file(self, path: Path) -> None:
        """Offer the pages of a rejects file that an earlier step wrote."""
        for row in read_documents(path):
            self.add(row["step"], row["reason"], row)

    def write(self, path: Path) -> None:
        """Write the samples, grouped by step and reason, in the order of the ids."""
        with DocumentWriter(path) as writer:
            for group in sorted(self._samples):
                for _, _, _, row in sorted(self._samples[group], key=lambda entry: (entry[1], entry[2])):
                    writer.write(row)


class StepRejects:
    """The dropped pages of one step, as the exclusion writer of a datatrove filter."""

    def __init__(self, rejects: Rejects, step: str) -> None:
        self._rejects = rejects
        self._step = step

    def __enter__(self) -> StepRejects:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def write(self, doc: Document, rank: int = 0) -> None:
        """Add one dropped page; datatrove has put the reason into its metadata."""
        self._rejects.add(self._step, page_data(doc)["filter_reason"], to_row(doc))


def to_row(doc: Document) -> dict[str, Any]:
    """Return a datatrove document as a line of the documents format; a field that is not known yet is empty."""
    page = page_data(doc)
    row: dict[str, Any] = {name: page.get(name, "") for name in FIELDS}
    row |= {name: doc.metadata[name] for name in EXTRA_FIELDS if name in page}
    row |= {"id": doc.id, "text": doc.text, "language_score": page.get("language_score", 0.0)}
    return {**row, "extractor": FALLBACK} if page.get("extractor") == FALLBACK else row
