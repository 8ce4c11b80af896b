"""Exact duplicates in a plain datatrove pipeline: one block that finds and cuts.

The stage itself finds in one step (`steps/substrings.py`, a part of all shards) and cuts in another, shard by shard.
"""

from __future__ import annotations

from datatrove.pipeline.base import DocumentsPipeline

from stages.web.cut import NUMBER, SubstringCut
from stages.web.rejects import Rejects
from stages.web.settings import ExactSettings
from stages.web.spans import by_document, find_ranges, too_short
from stages.web.suffix_tokens import PartTokens


class ExactSubstrings(SubstringCut):
    """Cuts what the documents of this rank share with each other. Holds them all, so give it what fits into memory."""

    def __init__(self, settings: ExactSettings, rejects: Rejects | None = None) -> None:
        super().__init__({}, frozenset(), rejects)
        self.settings = settings

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        """Yield the documents in order when the last one has come, without those that become too short."""
        documents = list(data)
        part = PartTokens(self.settings.min_tokens)
        for number, doc in enumerate(documents):
            doc.metadata[NUMBER] = number
            part.add_text(doc.text)
        found = find_ranges(part, self.settings.rule)
        self.ranges = by_document(found)
        self.too_short = frozenset(too_short(part, found, self.settings.min_words))
        yield from super().run(documents, rank, world_size)
