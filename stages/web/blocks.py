"""What the web stage's datatrove blocks share: a reason for each dropped page, counters that become a funnel step."""

from __future__ import annotations

from abc import abstractmethod

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.utils.typeshelper import StatHints

from stages.shared.funnel import StepCount
from stages.web.rejects import Rejects

DROPPED = f"{StatHints.dropped}_"
NOTE = "note_"
BYTES = "bytes"
TOKENS = "tokens"


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
        return (False, reason) if reason else True


def set_text(doc: Document, text: str, num_tokens: int | None = None) -> None:
    """Give a page another text, with its number of tokens if that is known."""
    doc.text = text
    doc.metadata["bytes"] = len(text.encode("utf-8", errors="replace"))
    doc.metadata["token_count"] = num_tokens


def count_passed(block: PipelineStep, doc: Document) -> None:
    """Add a page that is passed on to the block's counters: its bytes, and its tokens if they were counted."""
    if "bytes" not in doc.metadata:  # a page that another library's reader made
        doc.metadata["bytes"] = len(doc.text.encode("utf-8", errors="replace"))
    block.stat_update(BYTES, value=doc.metadata["bytes"])
    if tokens := doc.metadata.get("token_count"):
        block.stat_update(TOKENS, value=tokens)


def step_count(block: PipelineStep) -> StepCount:
    """Return a block's counters as a step of the funnel."""
    totals = {name: int(value.total) for name, value in sorted(block.stats.stats.items())}
    return StepCount(
        name=block.name,
        pages_in=totals.get(StatHints.total, 0),
        pages_out=totals.get(StatHints.forwarded, 0),
        bytes=totals.get(BYTES, 0),
        tokens=totals.get(TOKENS, 0),
        reasons={name.removeprefix(DROPPED): count for name, count in totals.items() if name.startswith(DROPPED)},
        notes={name.removeprefix(NOTE): count for name, count in totals.items() if name.startswith(NOTE)},
    )
