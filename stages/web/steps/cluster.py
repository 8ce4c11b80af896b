"""The `cluster` step: pages that are joined by any chain of pairs are one group, of which one page stays.

Writes `removed.npy` (uint64, pages x 3, sorted): the number of a removed page, the page kept in its place, and 1 if
their texts are equal. The same pairs give the same file, in whatever order they come.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.shared.contract import Task
from stages.web.config import WebConfig
from stages.web.minhash import U64
from stages.web.steps.buckets import EDGES
from stages.web.steps.signatures import PAGES, open_shards

REMOVED = "removed.npy"


def run(task: Task) -> dict[str, Any]:
    """Join the pairs of all buckets into groups and choose the page of each that stays."""
    config: WebConfig = task.config
    pages = np.concatenate(open_shards(task.steps["signatures"], PAGES), axis=1)
    edges = np.unique(np.concatenate(open_shards(task.steps["buckets"], EDGES)), axis=0)
    members, groups = components(edges)
    kept = choose(members, groups, pages[1] if config.dedup.keep == "longest" else None)
    is_equal = pages[0][members] == pages[0][kept]
    removed = np.stack([members, kept, is_equal.astype(np.uint64)], axis=1)[members != kept]
    np.save(task.out / REMOVED, removed, allow_pickle=False)
    return {"pages": pages.shape[1], "groups": len(np.unique(groups)), "removed": len(removed)}


def components(edges: U64) -> tuple[U64, U64]:
    """Return the pages that occur in pairs, sorted, and for each the smallest page it is connected with.

    Labels flow along the pairs and jump along their own pointers until nothing changes: a few rounds, all in arrays.
    """
    members, index = np.unique(edges, return_inverse=True)
    ends = index.reshape(-1, 2)
    labels = np.arange(len(members))
    while True:
        left, right = labels[ends[:, 0]], labels[ends[:, 1]]
        smallest = np.minimum(left, right)
        if np.array_equal(left, right):
            return members, members[labels]
        np.minimum.at(labels, left, smallest)
        np.minimum.at(labels, right, smallest)
        while not np.array_equal(labels, labels[labels]):
            labels = labels[labels]


def choose(members: U64, groups: U64, num_words: U64 | None) -> U64:
    """Return for each member the page that stays in its group: the first, or the longest, of equals the first."""
    if num_words is None or not len(members):
        return groups
    lengths = num_words[members].astype(np.int64)
    order = np.lexsort((members, -lengths, groups))
    sorted_groups = groups[order]
    starts = np.concatenate([[True], sorted_groups[1:] != sorted_groups[:-1]])
    winners = members[order][starts]  # one a group, in order of the groups
    return winners[np.searchsorted(sorted_groups[starts], groups)]
