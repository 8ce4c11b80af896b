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


class Gate(BaseFilter):
    """A filter that names the reason of every page it drops. Usable in any datatrove pipeline."""

    def __init__(self, rejects: Rejects | None = None) -> None:
        super().__init__(exclusion_writer=rejects.of_step(self.name) if rejects else None)

    @abstractmethod
    def reason(self, doc: Document) -> str | None:
        """Return why the page is dropped, or None if it passes. May edit the page's text and metadata."""

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Return datatrove's form of the verdict."""
        reason = self.reason(doc)
        return (False, reason) if reason else True


def step_count(block: PipelineStep) -> StepCount:
    """Return a block's counters as a step of the funnel."""
    totals = {name: int(value.total) for name, value in sorted(block.stats.stats.items())}
    return StepCount(
        name=block.name,
        pages_in=totals.get(StatHints.total, 0),
        pages_out=totals.get(StatHints.forwarded, 0),
        chars=totals.get("doc_len", 0),
        reasons={name.removeprefix(DROPPED): count for name, count in totals.items() if name.startswith(DROPPED)},
        notes={name.removeprefix(NOTE): count for name, count in totals.items() if name.startswith(NOTE)},
    )
