"""The `buckets` step: finds in each bucket the pages whose hashes agree. One unit does a share of the buckets.

Writes the artifact EDGES (uint64, pairs x 2): page numbers, each joined to the first page of its value; or a page and
SEEN, if an earlier run kept a page of that value.

Buckets are done one after the other. Of a bucket as many pages as fit into `dedup.memory_mb` are compared at a time, by
ranges of their hashes. Every range reads the bucket's row of all units again: 8 bytes a page. Most pairs are written
once, a few twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.shared.task import Task
from stages.text.compiled.arrays import U64
from stages.text.dedup.block import Method, make_method
from stages.text.dedup.disk_arrays import Rows
from stages.text.dedup.equal_signatures import SEEN, Joiner, PairsWriter, key_ranges, known_pairs, pages_at_once
from stages.text.dedup.simhash import SimHash
from stages.web.artifacts import BANDS, EDGES
from stages.web.config import WebConfig
from stages.web.plan import unit_files
from stages.web.seen_index import open_index
from stages.web.seen_settings import check_seen

PART = 1 << 16
"""Pages read at a time."""


@dataclass(frozen=True)
class SignedPages:
    """Signatures that are compared with others: those of a unit, or of an index of earlier runs."""

    bands: Rows | U64
    """Rows x pages, on disk or mapped."""
    first: int | None
    """Number of the first page; None if the pages are SEEN."""

    @property
    def num_pages(self) -> int:
        """Number of signatures."""
        count: int = self.bands.shape[1]
        return count

    def parts(self, row: int) -> Iterator[tuple[U64, U64]]:
        """Yield the values of a row with the pages' numbers, some at a time."""
        for start in range(0, self.num_pages, PART):
            if isinstance(self.bands, Rows):
                values = self.bands.read(row, start, start + PART)
            else:
                values = np.asarray(self.bands[row, start : start + PART])
            if self.first is None:
                yield values, np.full(len(values), SEEN)
            else:
                yield values, np.arange(self.first + start, self.first + start + len(values), dtype=np.uint64)


def run(task: Task[WebConfig]) -> dict[str, Any]:
    """Find the pairs of this unit's buckets."""
    config = task.config
    method = make_method(config.dedup)
    at_once = pages_at_once(config.dedup.memory_mb)
    scopes = find_scopes(task)
    num_pages = sum(signed.num_pages for scope in scopes for signed in scope)
    with PairsWriter(task.out / EDGES, known_pairs(config.dedup.memory_mb, num_pages)) as pairs:
        for table in range(task.place, method.num_tables, config.dedup.bucket_units):
            for scope in scopes:
                join_table(method, table, scope, at_once, pairs)
            task.progress(table + 1)
    return {"pairs": pairs.count}


def find_scopes(task: Task[WebConfig]) -> list[list[SignedPages]]:
    """Return lists of signatures that are compared with each other: one list of all, or one for each dump."""
    config = task.config
    found: list[SignedPages] = []
    number = 0
    for folder in task.steps["signatures"]:
        found.append(SignedPages(Rows(folder / BANDS), number))
        number += found[-1].num_pages
    if config.dedup.scope == "dump":
        dumps = [files[0].source for files in unit_files(task.inputs["inputs"], config.files_per_unit)]
        names = sorted(set(dumps))
        return [[signed for signed, dump in zip(found, dumps, strict=True) if dump == name] for name in names]
    index = open_index(task.inputs.get("seen", ()))
    check_seen(task.inputs.get("seen", ()), config.dedup)
    return [[*found, *(SignedPages(bands, None) for bands in index.bands)]]


def join_table(method: Method, table: int, scope: Sequence[SignedPages], at_once: int, pairs: PairsWriter) -> None:
    """Add the pairs of one bucket among these pages."""
    num_pages = sum(signed.num_pages for signed in scope)
    for within in key_ranges(num_pages, at_once):
        joiner = Joiner(min(num_pages, at_once) + PART)
        for signed in scope:
            for values, numbers in signed.parts(method.row(table)):
                pairs.add(joiner.add(values, numbers, method.keys(values, table), within))
        pairs.add(joiner.finish())
        if isinstance(method, SimHash):
            pairs.add(of_this_run(method.near(*joiner.entries(), table)))


def of_this_run(pairs: U64) -> U64:
    """Return the pairs with at least one page of this run, the earlier page first."""
    in_order: U64 = np.sort(pairs, axis=1)  # SEEN is greater than every page
    return np.compress(in_order[:, 0] != SEEN, in_order, axis=0)
