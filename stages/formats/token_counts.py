"""The token_counts format: what each source gave the tokens stage. Written there, read by reports and mixtures.

    {source: {"documents": ..., "tokens": ..., "heldout_documents": ...}}

`tokens` counts the end-of-sequence id after every document; held-out documents are in neither of the first two.
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
