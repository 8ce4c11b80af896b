"""Groups of pages from pairs: union-find in one array, compiled. The same pairs in any order give the same groups.

Each page points to another of its group with a smaller number, or to itself: the group's root is its earliest page.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.web.kernels import kernel
from stages.web.shingles import U64

Parents = NDArray[Any]
"""For each page the page it points to: uint32, or uint64 from 2**32 pages on."""


def make_parents(num_pages: int) -> Parents:
    """Return every page as a group of its own, in the smallest type that can number them."""
    return np.arange(num_pages, dtype=np.uint32 if num_pages <= 1 << 32 else np.uint64)


@kernel
def find(parents: Parents, page: Any) -> Any:
    """Return the root of a page, and shorten its way there (each step by half)."""
    while parents[page] != page:
        parents[page] = parents[parents[page]]
        page = parents[page]
    return page


@kernel
def join(parents: Parents, pairs: U64) -> None:
    """Make one group of the two groups of each pair (uint64, any x 2)."""
    for row in range(len(pairs)):
        first = find(parents, pairs[row, 0])
        second = find(parents, pairs[row, 1])
        if first < second:
            parents[second] = first
        elif second < first:
            parents[first] = second


@kernel
def settle(parents: Parents) -> None:
    """Make every page point to its root itself."""
    for page in range(len(parents)):
        parents[page] = parents[parents[page]]  # a parent is a smaller page, and has its root already


@kernel
def choose(parents: Parents, ranks: U64) -> Parents:
    """Return for each root the page of its group with the smallest rank, of equals the earliest; settled groups."""
    chosen = np.arange(len(parents)).astype(parents.dtype)
    for page in range(len(parents)):
        root = parents[page]
        if ranks[page] < ranks[chosen[root]]:
            chosen[root] = page
    return chosen
