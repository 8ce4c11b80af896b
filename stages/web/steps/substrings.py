"""The `substrings` step: runs of at least `exact.min_tokens` tokens that occur twice in a part of the documents.

Part p holds the documents of the units whose place leaves p when divided by `exact.parts`, without near duplicates.
Writes the artifacts RANGES, SHORT and STARTS.

Memory: 2 bytes a byte of text, and 3 more a byte of repeated text (exact/repeated_ranges.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.exact.repeated_ranges import find_ranges, too_short
from stages.text.exact.suffix_tokens import PartTokens
from stages.web.artifacts import RANGES, SHORT
from stages.web.config import WebConfig
from stages.web.page_numbers import number_pages
from stages.web.unit_findings import UnitFindings


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Find the repeated ranges of one part."""
    settings = task.config.exact
    part = PartTokens(settings.min_tokens)
    numbers = []
    starts = number_pages(task.steps, task.out)
    for number, text in part_texts(task, starts, settings.parts):
        part.add_text(text)
        numbers.append(number)
        task.progress(len(numbers))
    found = find_ranges(part, settings.rule)
    short = too_short(part, found, settings.min_words)
    pages = np.array(numbers, dtype=np.uint64)
    RANGES.save(task.out, np.concatenate([pages[found[:, 0], None], found[:, 1:].astype(np.uint64)], axis=1))
    SHORT.save(task.out, pages[short])
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
        removed = set(UnitFindings(task, starts, place).removed().tolist())
        documents = read_documents(task.steps["filter"][place] / KINDS.documents.file)
        for number, document in enumerate(documents):
            if number not in removed:
                yield starts[place] + number, document["text"]
