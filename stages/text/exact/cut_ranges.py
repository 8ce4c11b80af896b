"""Cuts ranges of tokens out of a text and joins the remaining pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from itertools import pairwise

from datatrove.data import Document

from stages.text.blocks.gate import NOTE, Gate, set_text
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.compiled.arrays import I64
from stages.text.words.tokens import KIND_CHARACTER, count_tokens, split


def cut_text(text: str, ranges: Iterable[tuple[int, int]]) -> str:
    """Return the text without these ranges (first token, end; in order, apart) of the tokens of `tokens.split`.

    The pieces before and after a cut are joined by an empty line or a line break if one was between them, else by a
    space: words are never glued together. Letters of scripts without spaces need no space.
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
    """Cuts ranges out of documents; drops the documents that become too short.

    Takes the ranges, rows (first token, end), and the documents that become too short by the documents' numbers.
    """

    name = "substrings"

    def __init__(self, ranges: Mapping[int, I64], too_short: Set[int], rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.ranges = ranges
        self.too_short = too_short

    def reason(self, doc: Document) -> str | None:
        """Return `too_short_after_cut`, or edit the text."""
        number = page_data(doc)["number"]
        if number in self.too_short:
            return "too_short_after_cut"
        ranges = self.ranges.get(number)
        if ranges is not None:
            num_cut = int((ranges[:, 1] - ranges[:, 0]).sum())
            self.stat_update(NOTE + "documents_cut")
            self.stat_update(NOTE + "spans_cut", value=len(ranges))
            self.stat_update(NOTE + "tokens_cut", value=num_cut)
            set_text(doc, cut_text(doc.text, ranges.tolist()), count_tokens(doc.text) - num_cut)
        return None
