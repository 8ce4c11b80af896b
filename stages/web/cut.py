"""Cuts ranges of tokens out of a text, and mends what stood around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from itertools import pairwise
from typing import Any

import numpy as np
from datatrove.data import Document

from stages.web.blocks import NOTE, Gate, set_text
from stages.web.rejects import Rejects
from stages.web.words import KIND_CHARACTER, split

NUMBER = "number"
"""Key of a document's metadata: its place in the file from which it was read."""
Ranges = np.ndarray[Any, np.dtype[np.int64]]


def cut_text(text: str, ranges: Iterable[tuple[int, int]]) -> str:
    """Return the text without these ranges (first token, end; in order, apart) of the tokens of `words.split`.

    What stood before and behind a cut is joined by an empty line or a line break if they were that far apart, else by
    a space: words are never glued together. Letters of scripts without spaces need none.
    """
    tokens = split(text)
    num_tokens = len(tokens.starts)
    bounds = [0, *(bound for both in ranges for bound in both), num_tokens]
    kept = [(first, end) for first, end in zip(bounds[::2], bounds[1::2], strict=True) if first < end]
    if not kept:
        return ""
    starts, ends = tokens.starts, tokens.ends

    def seam(before: int, after: int) -> str:
        stretch = text[ends[before] : starts[after]]
        if "\n" in stretch:
            return "\n\n" if "\n\n" in stretch else "\n"
        has_gap = ends[before] < starts[before + 1] or ends[after - 1] < starts[after]
        return " " if has_gap or KIND_CHARACTER not in (tokens.kinds[before], tokens.kinds[after]) else ""

    head = 0 if kept[0][0] == 0 else starts[kept[0][0]]
    tail = len(text) if kept[-1][1] == num_tokens else ends[kept[-1][1] - 1]
    pieces = []
    for (_, before), (after, _) in pairwise(kept):
        pieces += [text[head : ends[before - 1]], seam(before - 1, after)]
        head = starts[after]
    return "".join([*pieces, text[head:tail]])


class SubstringCut(Gate):
    """Cuts the ranges that were found for a document; drops it if too little is left.

    Takes what was found by the document's place, in the metadata under `number`: rows (first token, end), and the
    places of the documents that become too short.
    """

    name = "substrings"

    def __init__(self, ranges: Mapping[int, Ranges], too_short: Set[int], rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.ranges = ranges
        self.too_short = too_short

    def reason(self, doc: Document) -> str | None:
        """Return `too_short_after_cut`; else edit the text."""
        number = doc.metadata[NUMBER]
        if number in self.too_short:
            return "too_short_after_cut"
        ranges = self.ranges.get(number)
        if ranges is not None:
            num_cut = int((ranges[:, 1] - ranges[:, 0]).sum())
            self.stat_update(NOTE + "documents_cut")
            self.stat_update(NOTE + "spans_cut", value=len(ranges))
            self.stat_update(NOTE + "tokens_cut", value=num_cut)
            set_text(doc, cut_text(doc.text, ranges.tolist()), len(split(doc.text).starts) - num_cut)
        return None
