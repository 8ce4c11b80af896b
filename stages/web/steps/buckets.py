"""The `buckets` step: in each bucket, the pages whose hashes agree. One unit does a share of the buckets.

Writes `edges.npy` (uint64, pairs x 2): page numbers, counted over all units in order, each joined to the first page of
its value; or a page and SEEN, if an earlier run kept a page of that value.

One bucket after the other; of a bucket as many pages as fit into `dedup.memory_mb`, by ranges of their hashes. Every
range reads the bucket's row of all units again: 8 bytes a page. A pair is usually written once, but may be twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.shared.task import Task
from stages.web.arrays import Rows
from stages.web.config import WebConfig, unit_files
from stages.web.minhash import MinHash
from stages.web.near import SEEN, Joiner, PairsWriter, key_ranges, known_pairs, make_method, pages_at_once
from stages.web.shingles import U64
from stages.web.simhash import SimHash
from stages.web.steps.index import open_index
from stages.web.steps.signatures import BANDS

EDGES = "edges.npy"
PART = 1 << 16
"""Pages read at a time."""


@dataclass(frozen=True)
class Source:
    """Signatures that are compared with others: a unit's, or those of an index of earlier runs."""

    bands: Rows | U64
    """Rows x pages, on disk or mapped."""
    first: int | None
    """Number of the first page; None if the pages are SEEN."""

    @property
    def num_pages(self) -> int:
        """Number of signatures."""
        return self.bands.shape[1]

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
    num_pages = sum(source.num_pages for sources in scopes for source in sources)
    with PairsWriter(task.out / EDGES, known_pairs(config.dedup.memory_mb, num_pages)) as pairs:
        for table in range(task.place, method.num_tables, config.dedup.bucket_units):
            for sources in scopes:
                join_table(method, table, sources, at_once, pairs)
            task.progress(table + 1)
    return {"pairs": pairs.count}


def find_scopes(task: Task[WebConfig]) -> list[list[Source]]:
    """Return the sources that are compared with each other: all, or one list for each dump."""
    config = task.config
    sources, dumps, number = [], [], 0
    for folder in task.steps["signatures"]:
        sources.append(Source(Rows(folder / BANDS), number))
        number += sources[-1].num_pages
    if config.dedup.scope == "dump":
        dumps = [files[0].source for files in unit_files(task.inputs["inputs"], config.files_per_unit)]
        names = sorted(set(dumps))
        return [[source for source, dump in zip(sources, dumps, strict=True) if dump == name] for name in names]
    index = open_index(task.inputs.get("seen", ()))
    index.check(config.dedup)
    return [[*sources, *(Source(bands, None) for bands in index.bands)]]


def join_table(
    method: MinHash | SimHash, table: int, sources: Sequence[Source], at_once: int, pairs: PairsWriter
) -> None:
    """Add the pairs of one bucket among these sources."""
    num_pages = sum(source.num_pages for source in sources)
    for within in key_ranges(num_pages, at_once):
        joiner = Joiner(min(num_pages, at_once) + PART)
        for source in sources:
            for values, numbers in source.parts(method.row(table)):
                pairs.add(joiner.add(values, numbers, method.keys(values, table), within))
        pairs.add(joiner.finish())
        if isinstance(method, SimHash):
            pairs.add(of_this_run(method.near(*joiner.entries(), table)))


def of_this_run(pairs: U64) -> U64:
    """Return the pairs with at least one page of this run, the earlier page first."""
    pairs = np.sort(pairs, axis=1)  # SEEN is greater than every page
    return pairs[pairs[:, 0] != SEEN]
