"""The `cluster` step: pages that are joined by any chain of pairs are one group, of which one page stays.

Writes `removed.npy` (uint64, pages x 3, sorted): the number of a removed page, the page kept in its place or SEEN, and
1 if their texts are equal. Of a group with a page that an earlier run kept, no page stays. The same pairs give the same
file, in whatever order they come. Memory: 16 bytes a page of the run (24 from 2**32 pages on); pairs are streamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.task import Task
from stages.web.arrays import BLOCK, Rows, RowsWriter
from stages.web.config import WebConfig
from stages.web.near import SEEN
from stages.web.pages import PAGES, number_pages
from stages.web.shingles import U64
from stages.web.steps.buckets import EDGES
from stages.web.union_find import Parents, choose, join, make_parents, settle

REMOVED = "removed.npy"


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Join the pairs of all buckets into groups and choose the page of each that stays."""
    config = task.config
    pages = [folder / PAGES for folder in task.steps["filter"]]
    num_pages = number_pages(task.steps, task.out)[-1]
    parents, is_seen = join_files(num_pages, [folder / EDGES for folder in task.steps["buckets"]])
    kept = choose(parents, ranks(pages, config.dedup.keep)) if config.dedup.keep != "earliest" else None
    texts = column(pages, "text")
    with RowsWriter(task.out / REMOVED, 3) as writer:
        for start in range(0, num_pages, BLOCK):
            roots = parents[start : start + BLOCK]
            writer.add(removed_pages(start, roots if kept is None else kept[roots], is_seen[roots], texts))
    return {"pages": num_pages, "removed": writer.count}


def join_files(num_pages: int, edges: Sequence[Path]) -> tuple[Parents, NDArray[np.bool_]]:
    """Return the root of each page's group, and for each root whether the group has a page of an earlier run."""
    parents = make_parents(num_pages)
    seen_pages = []
    for path in edges:
        for pairs in Rows(path).blocks():
            is_seen = pairs[:, 1] == SEEN
            seen_pages.append(pairs[is_seen, 0])
            join(parents, pairs[~is_seen])
    settle(parents)
    seen_roots = np.zeros(num_pages, bool)
    for found in seen_pages:
        seen_roots[parents[found]] = True
    return parents, seen_roots


def ranks(pages: Sequence[Path], keep: str) -> U64:
    """Return a number for each page of which the smallest of a group stays: few words last, or much strain first."""
    found = (~column(pages, "words")).astype(np.uint64)
    if keep == "best":
        # Floats that are not negative are in the order of their bits.
        found |= column(pages, "strain").view(np.uint32).astype(np.uint64) << np.uint64(32)
    return found


def column(pages: Sequence[Path], name: str) -> NDArray[Any]:
    """Return one field of all pages."""
    return np.concatenate([np.load(path, allow_pickle=False)[name] for path in pages])


def removed_pages(start: int, kept: Parents, is_seen: NDArray[np.bool_], texts: U64) -> U64:
    """Return the rows of the pages from `start` on that do not stay, given what stays in their place."""
    numbers = np.arange(start, start + len(kept), dtype=np.uint64)
    is_equal = texts[kept] == texts[start : start + len(kept)]
    instead = np.where(is_seen, SEEN, kept.astype(np.uint64))
    rows = np.stack([numbers, instead, (is_equal & ~is_seen).astype(np.uint64)], axis=1)
    return rows[instead != numbers]


def reasons(removed: U64) -> list[str]:
    """Return why each page went, from its row of `removed.npy`."""
    names = np.array(["near_duplicate", "exact_duplicate"], dtype=object)[removed[:, 2].astype(np.intp)]
    return np.where(removed[:, 1] == SEEN, "seen_before", names).tolist()
