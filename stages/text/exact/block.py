"""Exact deduplication in a plain datatrove pipeline: one block that finds repeated ranges and cuts them.

The web stage finds them in one step, over a part of all units, and cuts them in another, unit by unit.
"""

from __future__ import annotations

from datatrove.pipeline.base import DocumentsPipeline

from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.exact.cut_ranges import SubstringCut
from stages.text.exact.repeated_ranges import by_document, find_ranges, too_short
from stages.text.exact.suffix_tokens import PartTokens
from stages.text.settings import ExactSettings


class ExactSubstrings(SubstringCut):
    """Cuts the runs of tokens that the documents of this rank share. Holds all of them in memory."""

    def __init__(self, settings: ExactSettings, rejects: Rejects | None = None) -> None:
        super().__init__({}, frozenset(), rejects)
        self.settings = settings

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the documents in order after the last one has come, without those that become too short."""
        documents = list(data)
        part = PartTokens(self.settings.min_tokens)
        for number, doc in enumerate(documents):
            page_data(doc)["number"] = number
            part.add_text(doc.text)
        found = find_ranges(part, self.settings.rule)
        self.ranges = by_document(found)
        self.too_short = frozenset(too_short(part, found, self.settings.min_words))
        yield from super().run(documents, rank, world_size)
