"""The `urls` step: pages whose address an earlier page has that is kept, in any dump of the run or in an earlier run.

Writes `later.npy` (uint64, n x 2, sorted: page number, number of the page kept or SEEN). Memory: 70 bytes for each page
of a pass, whatever the number of pages; a pass looks at the addresses of one class of hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.shared.task import Task
from stages.web.config import WebConfig
from stages.web.near import SEEN
from stages.web.pages import PAGES, number_pages
from stages.web.steps.index import Index, open_index
from stages.web.steps.substrings import removed_numbers, short_numbers

LATER = "later.npy"
PAGES_A_PASS = 1 << 26
"""Pages whose addresses are compared at a time, at 70 bytes of memory each."""
U64 = np.ndarray[Any, np.dtype[np.uint64]]


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Find the later captures of every address."""
    starts = number_pages(task.steps, task.out)
    earlier = open_index(task.inputs.get("seen", ()))
    passes = starts[-1] // PAGES_A_PASS + 1
    later = np.concatenate(
        [later_captures(*kept_addresses(task, starts, index, passes), earlier) for index in range(passes)]
    )
    np.save(task.out / LATER, later[np.argsort(later[:, 0])], allow_pickle=False)
    return {"pages": starts[-1], "seen": len(later), "seen_in_earlier_runs": int((later[:, 1] == SEEN).sum())}


def kept_addresses(task: Task[WebConfig], starts: Sequence[int], index: int, passes: int) -> tuple[U64, U64]:
    """Return hash of address and number of the pages that are still there, of one of so many classes of hashes."""
    hashes, numbers = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.uint64)]
    for place, start in enumerate(starts[:-1]):
        addresses = np.load(task.steps["filter"][place] / PAGES, allow_pickle=False)["url"]
        is_wanted = addresses % np.uint64(passes) == index
        for gone in (removed_numbers(task, starts, place), short_numbers(task, starts, place)):
            is_wanted[gone.astype(np.int64) - start] = False
        hashes.append(addresses[is_wanted])
        numbers.append(np.flatnonzero(is_wanted).astype(np.uint64) + np.uint64(start))
        task.progress(starts[-1] * index + starts[place + 1])
    return np.concatenate(hashes), np.concatenate(numbers)


def later_captures(hashes: U64, numbers: U64, earlier: Index) -> U64:
    """Return rows (number, number of the first page of that address) for all pages but the first of each address.

    Numbers ascend. Of an address that an earlier run kept no page is the first: the row says SEEN.
    """
    order = np.argsort(hashes, kind="stable")  # stable: pages of one address stay in order
    ordered = hashes[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(hashes)]
    first = numbers[order][np.maximum.accumulate(np.where(is_first, np.arange(len(hashes)), 0))]
    is_seen = earlier.knows_urls(ordered)
    rows = np.stack([numbers[order], np.where(is_seen, SEEN, first)], axis=1)
    return rows[is_seen | ~is_first]
