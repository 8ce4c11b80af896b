"""The `urls` step: finds kept pages whose URL an earlier kept page has, in any dump of the run or in an earlier run.

Writes the artifacts LATER and STARTS. Memory: 70 bytes for each page of a pass. Each pass compares the URLs of one
class of hashes, so that memory does not grow with the number of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.shared.task import Task
from stages.text.compiled.arrays import U64
from stages.text.dedup.equal_signatures import SEEN
from stages.web.artifacts import LATER, PAGES
from stages.web.config import WebConfig
from stages.web.page_numbers import number_pages
from stages.web.seen_index import SeenIndex, open_index
from stages.web.seen_settings import check_seen
from stages.web.unit_findings import UnitFindings

PAGES_A_PASS = 1 << 26
"""Pages whose URLs are compared at a time, at 70 bytes of memory each."""


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Find the later captures of every URL."""
    starts = number_pages(task.steps, task.out)
    check_seen(task.inputs.get("seen", ()), task.config.dedup)
    earlier = open_index(task.inputs.get("seen", ()))
    passes = starts[-1] // PAGES_A_PASS + 1
    later = np.concatenate(
        [later_captures(*kept_urls(task, starts, index, passes), earlier) for index in range(passes)]
    )
    LATER.save(task.out, later[np.argsort(later[:, 0])])
    return {"pages": starts[-1], "seen": len(later), "seen_in_earlier_runs": int((later[:, 1] == SEEN).sum())}


def kept_urls(task: Task[WebConfig], starts: Sequence[int], index: int, passes: int) -> tuple[U64, U64]:
    """Return URL hash and number of the pages that are still kept, of class `index` of `passes` classes of hashes."""
    hashes, numbers = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.uint64)]
    for place, start in enumerate(starts[:-1]):
        urls = PAGES.load(task.steps["filter"][place])["url"]
        is_wanted = urls % np.uint64(passes) == index
        findings = UnitFindings(task, starts, place)
        for dropped in (findings.removed(), findings.too_short()):
            is_wanted[dropped] = False
        hashes.append(urls[is_wanted])
        numbers.append(np.flatnonzero(is_wanted).astype(np.uint64) + np.uint64(start))
        task.progress(starts[-1] * index + starts[place + 1])
    return np.concatenate(hashes), np.concatenate(numbers)


def later_captures(hashes: U64, numbers: U64, earlier: SeenIndex) -> U64:
    """Return rows (number, number of the first page of that URL) for all pages except the first of each URL.

    Numbers ascend. Of a URL that an earlier run kept, no page is the first: the row has SEEN.
    """
    order = np.argsort(hashes, kind="stable")  # stable: pages of one URL stay in order
    ordered = hashes[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(hashes)]
    first = numbers[order][np.maximum.accumulate(np.where(is_first, np.arange(len(hashes)), 0))]
    is_seen = earlier.knows_urls(ordered)
    rows = np.stack([numbers[order], np.where(is_seen, SEEN, first)], axis=1)
    return np.compress(is_seen | ~is_first, rows, axis=0)
