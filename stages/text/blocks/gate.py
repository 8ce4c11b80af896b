"""Gates: datatrove filters that count a reason for each dropped page. Their counters become a step of the funnel."""

from __future__ import annotations

from abc import abstractmethod

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.utils.typeshelper import StatHints

from stages.formats.funnel import StepCount
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects

DROPPED = f"{StatHints.dropped}_"
NOTE = "note_"
BYTES = "bytes"
TOKENS = "tokens"
REASON_BYTES = "bytes_of_"
REASON_TOKENS = "tokens_of_"
"""Prefixes and names of the counters."""


class Gate(BaseFilter):
    """A filter that names the reason of every page it drops. Usable in any datatrove pipeline."""

    def __init__(self, rejects: Rejects | None = None) -> None:
        super().__init__(exclusion_writer=rejects.of_step(self.name) if rejects else None)

    @abstractmethod
    def reason(self, doc: Document) -> str | None:
        """Return the reason to drop the page, or None if it passes. May edit the page's text and metadata."""

    def update_doc_stats(self, document: Document) -> None:
        """Count the bytes and tokens of a page that passes; datatrove calls it."""
        count_passed(self, document)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Return the verdict as datatrove expects it."""
        reason = self.reason(doc)
        if reason:
            count_dropped(self, doc, reason)
        return (False, reason) if reason else True


def set_text(doc: Document, text: str, num_tokens: int | None = None) -> None:
    """Give a page another text, with its number of tokens if that is known."""
    doc.text = text
    page = page_data(doc)
    page["bytes"] = len(text.encode("utf-8", errors="replace"))
    page["token_count"] = num_tokens


def count_passed(block: PipelineStep, doc: Document) -> None:
    """Add the bytes of a page that passes to the block's counters, and its tokens if they were counted."""
    block.stat_update(BYTES, value=num_bytes(doc))
    if tokens := page_data(doc).get("token_count"):
        block.stat_update(TOKENS, value=tokens)


def count_dropped(block: PipelineStep, doc: Document, reason: str) -> None:
    """Add the bytes and tokens of a dropped page to the block's counters, under its reason."""
    block.stat_update(f"{REASON_BYTES}{reason}", value=num_bytes(doc))
    if tokens := page_data(doc).get("token_count"):
        block.stat_update(f"{REASON_TOKENS}{reason}", value=tokens)


def num_bytes(doc: Document) -> int:
    """Return the UTF-8 bytes of a page's text, counted once."""
    page = page_data(doc)
    if "bytes" not in page:
        page["bytes"] = len(doc.text.encode("utf-8", errors="replace"))
    return page["bytes"]


def step_count(block: PipelineStep) -> StepCount:
    """Return a block's counters as a step of the funnel."""
    totals = {name: int(value.total) for name, value in sorted(block.stats.stats.items())}

    def table(prefix: str) -> dict[str, int]:
        return {name.removeprefix(prefix): count for name, count in totals.items() if name.startswith(prefix)}

    return StepCount(
        name=block.name,
        pages_in=totals.get(StatHints.total, 0),
        pages_out=totals.get(StatHints.forwarded, 0),
        bytes=totals.get(BYTES, 0),
        tokens=totals.get(TOKENS, 0),
        reasons=table(DROPPED),
        notes=table(NOTE),
        reason_bytes=table(REASON_BYTES),
        reason_tokens=table(REASON_TOKENS),
    )
