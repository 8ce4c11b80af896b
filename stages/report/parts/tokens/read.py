"""Reads token counts."""

from __future__ import annotations

from stages.formats.kinds import KINDS
from stages.formats.token_counts import Counts, read_token_counts
from stages.report.part import Material


def read(material: Material) -> Counts:
    """Return documents and tokens by source, summed over the section's files."""
    total: Counts = {}
    for file in material.of(KINDS.token_counts):
        for source, counts in read_token_counts(file.path).items():
            into = total.setdefault(source, {})
            for name, count in counts.items():
                into[name] = into.get(name, 0) + count
    return total
