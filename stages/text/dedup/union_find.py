"""Union-find: groups of pages from pairs, in one array, compiled. The same pairs in any order give the same groups.

Each page points to another of its group with a smaller number, or to itself: the group's root is its earliest page.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stages.text.compiled.arrays import U64
from stages.text.compiled.kernels import kernel

Parents = npt.NDArray[Any]
"""The page to which each page points: uint32, or uint64 from 2**32 pages on."""


def make_parents(num_pages: int) -> Parents:
    """Return every page as a group of its own, in the smallest type that can number them."""
    return np.arange(num_pages, dtype=np.uint32 if num_pages <= 1 << 32 else np.uint64)


@kernel
def find(parents: Parents, page: Any) -> Any:
    """Return the root of a page. Side effect: halves the path to it."""
    while parents[page] != page:
        parents[page] = parents[parents[page]]
        page = parents[page]
    return page


@kernel
def join(parents: Parents, pairs: U64) -> None:
    """Unite the two groups of each pair (uint64, any x 2)."""
    for row in range(len(pairs)):
        first = find(parents, pairs[row, 0])
        second = find(parents, pairs[row, 1])
        if first < second:
            parents[second] = first
        elif second < first:
            parents[first] = second


@kernel
def settle(parents: Parents) -> None:
    """Make every page point to its root directly."""
    for page in range(len(parents)):
        parents[page] = parents[parents[page]]  # a parent is a smaller page, and has its root already


@kernel
def smallest_rank(parents: Parents, ranks: U64) -> Parents:
    """Return for each root the page of its group with the smallest rank, of equals the earliest. Groups are settled."""
    chosen = np.arange(len(parents)).astype(parents.dtype)
    for page in range(len(parents)):
        root = parents[page]
        if ranks[page] < ranks[chosen[root]]:
            chosen[root] = page
    return chosen
