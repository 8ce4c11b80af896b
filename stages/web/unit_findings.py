"""Findings of deduplication about the pages of one unit, read from the artifacts of the steps that compare all units.

A step that is switched off has found nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.shared.task import Task
from stages.text.compiled.arrays import I64, U64
from stages.text.dedup.equal_signatures import SEEN
from stages.text.exact.repeated_ranges import by_document
from stages.web.artifacts import LATER, RANGES, REMOVED, SHORT, Artifact
from stages.web.config import WebConfig
from stages.web.page_numbers import rows_between


class UnitFindings:
    """The findings about one unit's pages."""

    def __init__(self, task: Task[WebConfig], starts: Sequence[int], place: int) -> None:
        """Take the numbering of the pages and the place of the unit among those of `filter`."""
        self._steps = task.steps
        self._part = place % task.config.exact.parts
        self._start, self._end = starts[place], starts[place + 1]

    def removed(self) -> I64:
        """Return the places, within the unit, of the pages that `cluster` removed."""
        return self._places(self._rows(REMOVED))

    def too_short(self) -> I64:
        """Return the places of the pages that are too short after the cut."""
        return self._places(self._rows(SHORT, self._part))

    def removed_reasons(self) -> dict[int, str]:
        """Return the reason for each page that `cluster` removed, by its place."""
        rows = self._rows(REMOVED)
        return dict(zip(self._places(rows).tolist(), removed_reasons(rows), strict=True))

    def url_reasons(self) -> dict[int, str]:
        """Return the reason for each page whose URL an earlier page has, by its place."""
        return dict.fromkeys(self._places(self._rows(LATER)).tolist(), "seen_url")

    def ranges(self) -> dict[int, I64]:
        """Return the ranges to cut, rows (first token, end), of each page that has any, by its place."""
        found = self._rows(RANGES, self._part).astype(np.int64)
        return {number - self._start: ranges for number, ranges in by_document(found).items()}

    def _rows(self, artifact: Artifact, unit: int = 0) -> U64:
        if artifact.step not in self._steps:
            return np.empty((0, artifact.columns or 1), dtype=np.uint64)
        return rows_between(artifact.map(self._steps[artifact.step][unit]), self._start, self._end)

    def _places(self, rows: U64) -> I64:
        numbers = rows[:, 0] if rows.ndim == 2 else rows
        return numbers.astype(np.int64) - self._start


def removed_reasons(removed: U64) -> list[str]:
    """Return the reason for each row of the artifact REMOVED."""
    names = np.array(["near_duplicate", "exact_duplicate"], dtype=object)[removed[:, 2].astype(np.intp)]
    found: list[str] = np.where(removed[:, 1] == SEEN, "seen_before", names).tolist()
    return found
