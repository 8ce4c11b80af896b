"""Repeated ranges: runs of at least 50 tokens that occur at least twice in a part (arXiv:2107.06499, 4.1).

    documents -> token numbers -> anchors that occur twice -> regions around them -> suffix array -> ranges to cut

The anchors only save work: text that cannot be repeated is not sorted. The suffix array decides, so the result is that
of a suffix array over all the text, at any setting.
"""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import I64, U64
from stages.text.exact.suffix_array import (
    CutRule,
    count_tokens,
    covered_ranges,
    encode,
    encoded_size,
    rank_by_count,
    repeated_windows,
)
from stages.text.exact.suffix_tokens import PartTokens, regions

MAX_BYTES = (1 << 31) - 1
"""Bytes that one suffix array sorts while places fit into 32 bits, at ten bytes of memory each. More bytes are sorted
in several arrays, one after the other, which takes longer: most of them hold a window's surroundings."""


def find_ranges(part: PartTokens, rule: CutRule, max_bytes: int = MAX_BYTES) -> I64:
    """Return the tokens to cut, as rows (document, first token, end) in order; tokens are counted in the document.

    all: every token of a window of `part.window` tokens that occurs at least twice, within documents too. first: every
    token of a window that occurred earlier in the part, overlapping windows included: of a phrase that is repeated many
    times in a row one remains.
    """
    hashes, places = part.repeated_anchors()
    starts = part.starts
    found = _ranges(part, (hashes, places), starts, rule, max_bytes)
    return merge(np.concatenate([np.empty((0, 2), dtype=np.int64), *found]), starts)


def _ranges(part: PartTokens, anchors: tuple[U64, I64], starts: I64, rule: CutRule, max_bytes: int) -> list[I64]:
    """Return the ranges of the windows with these anchors, in lists that may overlap.

    Regions that do not fit into one suffix array are divided by the anchors' hashes. Equal windows have equal anchors,
    so they stay together. Anchors with a single hash are never divided.
    """
    hashes, places = anchors
    if not len(places):
        return []
    first, end = regions(places, starts, part.gram, part.window)
    counts = count_tokens(part.ids, first, end, part.num_ids)
    ranks = rank_by_count(counts)
    size = encoded_size(counts, ranks, len(first))
    if size > max_bytes and len(different := np.unique(hashes)) > 1:
        lower = hashes < different[len(different) // 2]
        halves = (hashes[lower], places[lower]), (hashes[~lower], places[~lower])
        return [found for half in halves for found in _ranges(part, half, starts, rule, max_bytes)]
    data = encode(part.ids, first, end, ranks, size)
    marks = repeated_windows(data, part.window, rule)
    ranges = np.empty((len(first) + int((end - first).sum()) // part.window, 2), dtype=np.int64)
    return [ranges[: covered_ranges(data, marks, first, part.window, ranges)]]


def merge(ranges: I64, starts: I64) -> I64:
    """Return ranges of the part's tokens, in any order and overlapping, as rows (document, first token, end)."""
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    document = np.searchsorted(starts, ranges[:, 0], side="right") - 1
    reach = np.maximum.accumulate(ranges[:, 1])
    is_new = np.concatenate([[True], (ranges[1:, 0] > reach[:-1]) | (document[1:] != document[:-1])])[: len(ranges)]
    is_last = np.concatenate([is_new[1:], [True]])[: len(ranges)]
    document, first, end = document[is_new], ranges[is_new, 0], reach[is_last]
    return np.stack([document, first - starts[document], end - starts[document]], axis=1)


def by_document(rows: I64) -> dict[int, I64]:
    """Return the ranges (first token, end) of each document that has any, from rows in the order of the documents."""
    documents, first_rows = np.unique(rows[:, 0], return_index=True)
    bounds = [*first_rows.tolist(), len(rows)]
    return {document: rows[bounds[i] : bounds[i + 1], 1:] for i, document in enumerate(documents.tolist())}


def too_short(part: PartTokens, rows: I64, min_words: int) -> list[int]:
    """Return the documents with cuts that have fewer than `min_words` words left after them."""
    starts = part.starts.tolist()
    found = []
    for document, ranges in by_document(rows).items():
        start, end = starts[document], starts[document + 1]
        cut = sum(part.count_words(start + first, start + last) for first, last in ranges.tolist())
        if part.count_words(start, end) - cut < min_words:
            found.append(document)
    return found
