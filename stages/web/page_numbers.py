"""Page numbers: pages are numbered over all units of the `filter` step in order.

The first step that reads the pages of all units writes the numbering for the steps after it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.text.compiled.arrays import U64
from stages.web.artifacts import PAGES, STARTS, Folders

NUMBERING = ("cluster", "substrings", "urls")
"""Steps that write the numbering, because they read the pages of all units."""


def number_pages(steps: Folders, out: Path) -> list[int]:
    """Return `first_numbers`. Side effect: writes them to the folder of a step, for the steps after it."""
    starts = first_numbers(steps)
    STARTS.save(out, starts)
    return starts


def first_numbers(steps: Folders) -> list[int]:
    """Return the number of each unit's first page, and last the number of all pages.

    Reads the units of `filter` only where no earlier step has numbered the pages: each of 90,000 units would open
    90,000 files.
    """
    for name in NUMBERING:
        if name in steps:
            found: list[int] = STARTS.load(steps[name][0]).tolist()
            return found
    starts = [0]
    for unit in steps["filter"]:
        starts.append(starts[-1] + len(PAGES.map(unit)))
    return starts


def rows_between(rows: U64, start: int, end: int) -> U64:
    """Return the rows (or numbers) of the pages start .. end, from rows in the order of the pages."""
    numbers = rows[:, 0] if rows.ndim == 2 else rows
    low, high = np.searchsorted(numbers, np.array([start, end], dtype=np.uint64))
    return rows[low:high]
