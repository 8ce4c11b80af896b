"""The `substrings` step: runs of at least `exact.min_tokens` tokens that occur twice in a part of the documents.

Part p holds the documents of the units whose place leaves p when divided by `exact.parts`, without near duplicates.
Writes `ranges.npy` (uint64, n x 3, sorted: page number, first token and end, counted in the page's `words.split`) and
`short.npy` (uint64, sorted: pages that have too few words left). Pages are numbered over all units in order.

Memory: 2 bytes for a byte of text, and 3 more for a byte of what is repeated (`spans.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.web.config import WebConfig
from stages.web.pages import number_pages
from stages.web.spans import find_ranges, too_short
from stages.web.steps.cluster import REMOVED
from stages.web.suffix_tokens import PartTokens

RANGES = "ranges.npy"
SHORT = "short.npy"
U64 = np.ndarray[Any, np.dtype[np.uint64]]


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Find the repeated ranges of one part."""
    config = task.config
    part = PartTokens(config.exact.min_tokens)
    numbers = []
    starts = number_pages(task.steps, task.out)
    for number, text in part_texts(task, starts, config.exact.parts):
        part.add_text(text)
        numbers.append(number)
        task.progress(len(numbers))
    found = find_ranges(part, config.exact.rule)
    short = too_short(part, found, config.exact.min_words)
    pages = np.array(numbers, dtype=np.uint64)
    ranges = np.concatenate([pages[found[:, 0], None], found[:, 1:].astype(np.uint64)], axis=1)
    np.save(task.out / RANGES, ranges, allow_pickle=False)
    np.save(task.out / SHORT, pages[short], allow_pickle=False)
    return {
        "documents": len(numbers),
        "tokens": len(part.ids),
        "spans": len(found),
        "tokens_cut": int((found[:, 2] - found[:, 1]).sum()),
        "documents_cut": len(np.unique(found[:, 0])),
        "too_short": len(short),
    }


def part_texts(task: Task[WebConfig], starts: Sequence[int], parts: int) -> Iterator[tuple[int, str]]:
    """Yield number and text of the pages of this part in order, without those that `cluster` removed."""
    for place in range(task.place, len(starts) - 1, parts):
        removed = set(removed_numbers(task, starts, place).tolist())
        documents = read_documents(task.steps["filter"][place] / KINDS.documents.file)
        for number, document in enumerate(documents, start=starts[place]):
            if number not in removed:
                yield number, document["text"]


def removed_numbers(task: Task[WebConfig], starts: Sequence[int], place: int) -> U64:
    """Return those of a unit's pages that `cluster` removed; none without that step."""
    if "cluster" not in task.steps:
        return np.empty(0, dtype=np.uint64)
    removed = np.load(task.steps["cluster"][0] / REMOVED, mmap_mode="r", allow_pickle=False)
    return rows_between(removed, starts[place], starts[place + 1])[:, 0]


def short_numbers(task: Task[WebConfig], starts: Sequence[int], place: int) -> U64:
    """Return those of a unit's pages that are too short after the cut; none without the `substrings` step."""
    if "substrings" not in task.steps:
        return np.empty(0, dtype=np.uint64)
    return rows_between(of_part(task, place, SHORT), starts[place], starts[place + 1])


def of_part(task: Task[WebConfig], place: int, name: str) -> U64:
    """Return an array file of the part to which a unit belongs, mapped rather than read."""
    config = task.config
    part = task.steps["substrings"][place % config.exact.parts]
    return np.load(part / name, mmap_mode="r", allow_pickle=False)


def rows_between(rows: U64, start: int, end: int) -> U64:
    """Return the rows (or numbers) of the pages start .. end, from rows in the order of the pages."""
    numbers = rows[:, 0] if rows.ndim == 2 else rows
    low, high = np.searchsorted(numbers, np.array([start, end], dtype=np.uint64))
    return rows[low:high]
