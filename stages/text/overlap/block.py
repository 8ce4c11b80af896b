"""The gate that removes documents, or passages of them, that share n-grams with items of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from datatrove.data import Document

from stages.text.blocks.gate import NOTE, Gate, set_text
from stages.text.blocks.rejects import Rejects
from stages.text.overlap.index import Overlap, OverlapIndex
from stages.text.words.tokens import split


@dataclass(frozen=True)
class Removal:
    """What is removed of a document that shares passages with items."""

    what: Literal["document", "passage", "nothing"] = "document"
    margin_chars: int = 200
    """Characters removed on both sides of a passage, as in GPT-3 (arXiv:2005.14165, appendix C)."""
    max_pieces: int = 10
    """A document that falls into more pieces is removed whole."""
    min_chars: int = 200
    """A shorter piece is removed, too."""


Note = Callable[[Document, Overlap, str], None]
"""Takes a document, an overlap of it and its passage."""


class Decontamination(Gate):
    """Drops documents with passages of items, or cuts the passages out. Hands every overlap to `note`."""

    name = "decontamination"

    def __init__(self, index: OverlapIndex, removal: Removal, note: Note, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.index, self.removal, self.note = index, removal, note

    def reason(self, doc: Document) -> str | None:
        """Return the reason to drop a document, or None. Cuts passages out of the text."""
        found = self.index.find(doc.text)
        if not found:
            return None
        spans = passages(doc.text, found)
        for overlap, (start, end) in zip(found, spans, strict=True):
            self.note(doc, overlap, doc.text[start:end])
        if self.removal.what == "nothing":
            self.stat_update(f"{NOTE}contaminated")
            return None
        if self.removal.what == "document":
            return "contaminated"
        kept = pieces(doc.text, spans, self.removal)
        if len(kept) > self.removal.max_pieces:
            return "contaminated_throughout"
        kept = [piece for piece in kept if len(piece) >= self.removal.min_chars]
        if not kept:
            return "contaminated"
        self.stat_update(f"{NOTE}passages_cut", value=len(spans))
        set_text(doc, "\n\n".join(kept))
        return None


def passages(text: str, found: Sequence[Overlap]) -> list[tuple[int, int]]:
    """Return the first character of each overlap, and one past its last."""
    tokens = split(text)
    return [(int(tokens.starts[each.first]), int(tokens.ends[each.end - 1])) for each in found]


def pieces(text: str, spans: Sequence[tuple[int, int]], removal: Removal) -> list[str]:
    """Return what is left of a text between passages, each widened by the margin to the next space."""
    kept, done = [], 0
    for start, end in sorted(spans):
        first, last = max(0, start - removal.margin_chars), min(len(text), end + removal.margin_chars)
        if 0 < first < start and (space := text.rfind(" ", done, first)) >= 0 and first - space < _LONGEST_WORD:
            first = space
        if end < last < len(text) and 0 <= (space := text.find(" ", last)) - last < _LONGEST_WORD:
            last = space
        if first > done:
            kept.append(text[done:first].strip())
        done = max(done, last)
    return [piece for piece in (*kept, text[done:].strip()) if piece]


_LONGEST_WORD = 50
"""Characters to look for a space: a script without spaces is cut where the margin ends."""
