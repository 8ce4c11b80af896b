"""What the web stage's datatrove blocks share: a reason for each dropped page, counters that become a funnel step."""

from __future__ import annotations

from abc import abstractmethod

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.utils.typeshelper import StatHints

from stages.formats.funnel import StepCount
from stages.web.rejects import Rejects

DROPPED = f"{StatHints.dropped}_"
NOTE = "note_"
BYTES = "bytes"
TOKENS = "tokens"
REASON_BYTES = "bytes_of_"
REASON_TOKENS = "tokens_of_"


class Gate(BaseFilter):
    """A filter that names the reason of every page it drops. Usable in any datatrove pipeline."""

    def __init__(self, rejects: Rejects | None = None) -> None:
        super().__init__(exclusion_writer=rejects.of_step(self.name) if rejects else None)

    @abstractmethod
    def reason(self, doc: Document) -> str | None:
        """Return why the page is dropped, or None if it passes. May edit the page's text and metadata."""

    def update_doc_stats(self, document: Document) -> None:
        """Count what a page that is passed on holds."""
        count_passed(self, document)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Return datatrove's form of the verdict."""
        reason = self.reason(doc)
        if reason:
            count_dropped(self, doc, reason)
        return (False, reason) if reason else True


def set_text(doc: Document, text: str, num_tokens: int | None = None) -> None:
    """Give a page another text, with its number of tokens if that is known."""
    doc.text = text
    doc.metadata["bytes"] = len(text.encode("utf-8", errors="replace"))
    doc.metadata["token_count"] = num_tokens


def count_passed(block: PipelineStep, doc: Document) -> None:
    """Add a page that is passed on to the block's counters: its bytes, and its tokens if they were counted."""
    block.stat_update(BYTES, value=num_bytes(doc))
    if tokens := doc.metadata.get("token_count"):
        block.stat_update(TOKENS, value=tokens)


def count_dropped(block: PipelineStep, doc: Document, reason: str) -> None:
    """Add what a page that is dropped holds to the block's counters, under its reason."""
    block.stat_update(f"{REASON_BYTES}{reason}", value=num_bytes(doc))
    if tokens := doc.metadata.get("token_count"):
        block.stat_update(f"{REASON_TOKENS}{reason}", value=tokens)


def num_bytes(doc: Document) -> int:
    """Return the UTF-8 bytes of a page's text, counted once."""
    if "bytes" not in doc.metadata:
        doc.metadata["bytes"] = len(doc.text.encode("utf-8", errors="replace"))
    counted: int = doc.metadata["bytes"]
    return counted


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
