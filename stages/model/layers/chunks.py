"""A few rows of a large tensor at a time, so that several passes over them find them in a core's cache."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 27}
"""Numbers: a MB of float32 on a CPU, half of what a Xeon's core has; on a GPU calls cost more than memory does."""


def few_rows(rows: Tensor) -> Iterator[slice]:
    """Return slices that cover the first axis of `rows`, [N, C], in order."""
    step = max(1, _AT_ONCE[rows.device.type] // rows.size(1))
    return (slice(first, first + step) for first in range(0, rows.size(0), step))
