"""The `cluster` step: groups the pages that any chain of pairs joins, and keeps one page of each group.

Writes the artifacts REMOVED and STARTS. Of a group with a page that an earlier run kept, no page stays. The same pairs
in any order give the same file. Memory: 16 bytes a page of the run (24 from 2**32 pages on); pairs are streamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.shared.task import Task
from stages.text.compiled.arrays import U64, Flags, Records
from stages.text.dedup.disk_arrays import BLOCK, Rows, RowsWriter
from stages.text.dedup.equal_signatures import SEEN
from stages.text.dedup.union_find import Parents, join, make_parents, settle, smallest_rank
from stages.web.artifacts import EDGES, PAGES, REMOVED
from stages.web.config import WebConfig
from stages.web.page_numbers import number_pages


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Join the pairs of all buckets into groups and choose the page of each that stays."""
    config, units = task.config, task.steps["filter"]
    num_pages = number_pages(task.steps, task.out)[-1]
    parents, is_seen = join_files(num_pages, [folder / EDGES for folder in task.steps["buckets"]])
    kept = smallest_rank(parents, ranks(units, config.dedup.keep)) if config.dedup.keep != "earliest" else None
    texts = column(units, "text")
    with RowsWriter(task.out / REMOVED.name, 3) as writer:
        for start in range(0, num_pages, BLOCK):
            roots = parents[start : start + BLOCK]
            writer.add(removed_pages(start, roots if kept is None else kept[roots], is_seen[roots], texts))
    return {"pages": num_pages, "removed": writer.count}


def join_files(num_pages: int, edges: Sequence[Path]) -> tuple[Parents, Flags]:
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


def ranks(units: Sequence[Path], keep: str) -> U64:
    """Return a rank for each page; the smallest of a group stays. Many words come first, with `best` a small margin."""
    found = (~column(units, "words")).astype(np.uint64)
    if keep == "best":
        # Floats that are not negative are in the order of their bits.
        found |= column(units, "strain").view(np.uint32).astype(np.uint64) << np.uint64(32)
    return found


def column(units: Sequence[Path], name: str) -> Records:
    """Return one field of all pages."""
    return np.concatenate([PAGES.load(unit)[name] for unit in units])


def removed_pages(start: int, kept: Parents, is_seen: Flags, texts: U64) -> U64:
    """Return the rows of the pages from `start` on that do not stay, given the page that stays for each."""
    numbers = np.arange(start, start + len(kept), dtype=np.uint64)
    is_equal = texts[kept] == texts[start : start + len(kept)]
    instead = np.where(is_seen, SEEN, kept.astype(np.uint64))
    rows: U64 = np.stack([numbers, instead, (is_equal & ~is_seen).astype(np.uint64)], axis=1)
    return np.compress(instead != numbers, rows, axis=0)
