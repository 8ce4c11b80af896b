"""The `buckets` step: in each bucket, the pages whose hashes agree. One array element does a share of the buckets.

Writes `edges.npy` (uint64, pairs x 2): page numbers, counted over all shards in order, each joined to the first page of
its bucket. Memory: the hashes of one bucket of all pages and their order, 16 bytes a page, and the pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.shared.contract import Task
from stages.web.config import WebConfig
from stages.web.minhash import U64
from stages.web.steps.signatures import BANDS, open_shards

EDGES = "edges.npy"
MERGE_PAIRS = 1_000_000
"""Pairs gathered before those found twice are removed."""


def run(task: Task) -> dict[str, Any]:
    """Find the pairs of this element's buckets."""
    config: WebConfig = task.config
    shards = open_shards(task.steps["signatures"], BANDS)
    found = np.empty((0, 2), dtype=np.uint64)
    fresh: list[U64] = []
    for bucket in range(task.shard, config.dedup.shape[0], task.num_shards):
        hashes = np.concatenate([shard[bucket] for shard in shards])
        fresh.append(same_hash(hashes))
        if sum(map(len, fresh)) > len(found) + MERGE_PAIRS:  # most pairs are found again in most buckets
            found, fresh = np.unique(np.concatenate([found, *fresh]), axis=0), []
        task.progress(bucket + 1)
    found = np.unique(np.concatenate([found, *fresh]), axis=0)
    np.save(task.out / EDGES, found, allow_pickle=False)
    return {"pairs": len(found)}


def same_hash(hashes: U64) -> U64:
    """Return pairs (first page, other page) for the pages of one bucket that have the same hash."""
    order = np.argsort(hashes, kind="stable")  # stable: within a hash, pages stay in order
    ordered = hashes[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(hashes)]
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(hashes)), 0))]
    pairs = np.stack([first[~starts], order[~starts]], axis=1)
    return pairs.astype(np.uint64)
