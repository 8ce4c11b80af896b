"""The token_counts format: documents and tokens of each source. Written by `tokens`, read by report and mixtures.

    {source: {"documents": ..., "tokens": ..., "heldout_documents": ...}}

`tokens` includes the end-of-sequence id after every document. `documents` and `tokens` exclude held-out documents.
"""

from __future__ import annotations

from pathlib import Path

from stages.shared.files import read_json, write_json

FIELDS = ("documents", "tokens", "heldout_documents")

Counts = dict[str, dict[str, int]]


def write_token_counts(path: Path, counts: Counts) -> None:
    """Write the counts by source."""
    write_json(path, counts)


def read_token_counts(path: Path) -> Counts:
    """Return the counts by source."""
    counts: Counts = read_json(path)
    return counts
