"""Overlap of documents by sampled n-grams: how much of the shorter one stands in the longer one.

All documents keep the n-grams whose hash is small, so the same n-gram is kept everywhere: the share of kept n-grams
that two documents have in common estimates the share of all (Broder's containment, 1997).
"""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import I64, U64

MOST_SHARED = 64
"""Documents that may share an n-gram: one in more of them is a licence or a quotation, and is not counted."""
FEWEST = 8
"""Kept n-grams of a document whose overlap is judged; shorter documents are compared word for word alone."""


def overlapping(sizes: I64, sketches: U64, max_overlap: float) -> list[tuple[int, int]]:
    """Return (document to drop, document that holds it), the shorter one first; of equal ones the later is dropped.

    A document is not dropped for one that is dropped itself.
    """
    owners = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    order = np.argsort(sketches, kind="stable")
    hashes, owners = sketches[order], owners[order]
    pairs = _shared(hashes, owners)
    found: list[tuple[int, int]] = []
    dropped: set[int] = set()
    ranked = sorted(pairs.items(), key=lambda item: (sizes[list(item[0])].min(), item[0]))
    for (first, second), shared in ranked:
        small, large = (first, second) if (sizes[first], -first) < (sizes[second], -second) else (second, first)
        if small in dropped or large in dropped or sizes[small] < FEWEST:
            continue
        if shared > max_overlap * int(sizes[small]):
            dropped.add(small)
            found.append((small, large))
    return found


def _shared(hashes: U64, owners: I64) -> dict[tuple[int, int], int]:
    """Return how many n-grams each pair of documents shares, the earlier document first."""
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]]) if len(hashes) else np.empty(0, np.int64)
    lengths = np.diff(np.r_[starts, len(hashes)])
    is_kept = np.repeat(lengths <= MOST_SHARED, lengths)
    hashes, owners = hashes[is_kept], owners[is_kept]
    totals: dict[tuple[int, int], int] = {}
    for distance in range(1, MOST_SHARED):
        is_same = hashes[distance:] == hashes[:-distance] if distance < len(hashes) else np.empty(0, bool)
        if not is_same.any():
            break
        both = np.stack([owners[:-distance][is_same], owners[distance:][is_same]], axis=1)
        rows, counts = np.unique(both, axis=0, return_counts=True)
        for (first, second), count in zip(rows.tolist(), counts.tolist(), strict=True):
            totals[first, second] = totals.get((first, second), 0) + count
    return totals
