"""A sample of the dropped pages that one can read: a few per step and reason, the same ones every time."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import xxhash
from datatrove.data import Document

from stages.formats.documents import FIELDS, DocumentWriter

FALLBACK = "fallback"
"""What `extractor` says of a page whose good extractor gave up: its text is the fast one."""
SNIPPET = 1_000
"""Characters of a dropped page that are kept."""


class Rejects:
    """Keeps, for each step and reason, the pages with the smallest hash of their id: a sample that has no order."""

    def __init__(self, per_reason: int) -> None:
        self.per_reason = per_reason
        self._samples: dict[tuple[str, str], list[tuple[int, str, str, dict[str, Any]]]] = {}

    def of_step(self, step: str) -> StepRejects:
        """Return what a block of that step hands its dropped pages to."""
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

    def write(self, path: Path) -> None:
        """Write the samples, grouped by step and reason, in the order of the ids."""
        with DocumentWriter(path) as writer:
            for group in sorted(self._samples):
                for _, _, _, row in sorted(self._samples[group], key=lambda entry: (entry[1], entry[2])):
                    writer.write(row)


class StepRejects:
    """One step's end of Rejects, in the form in which datatrove's filters want an exclusion writer."""

    def __init__(self, rejects: Rejects, step: str) -> None:
        self._rejects = rejects
        self._step = step

    def __enter__(self) -> StepRejects:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def write(self, doc: Document, rank: int = 0) -> None:
        """Take one dropped page; datatrove has put the reason into its metadata."""
        self._rejects.add(self._step, doc.metadata["filter_reason"], to_row(doc))


def to_row(doc: Document) -> dict[str, Any]:
    """Return a datatrove document as a line of the documents format; what is not known yet is empty."""
    row = {"id": doc.id, "text": doc.text, **{name: doc.metadata.get(name, "") for name in FIELDS if name != "text"}}
    flag = {"extractor": FALLBACK} if doc.metadata.get("extractor") == FALLBACK else {}
    return {**row, "id": doc.id, "language_score": doc.metadata.get("language_score", 0.0), **flag}
