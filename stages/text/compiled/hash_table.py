"""Open addressing, compiled: hash tables in arrays whose length is a power of two."""

from __future__ import annotations

import numpy as np

from stages.text.compiled.arrays import I64, U64
from stages.text.compiled.hashing import SPREAD, mix
from stages.text.compiled.kernels import kernel


@kernel
def table_size(items: int) -> int:
    """Return the length of a table that so many items fill by half at most."""
    size = 16
    while size < 2 * items:
        size *= 2
    return size


@kernel
def find_slot(keys: U64, key: np.uint64) -> np.uint64:
    """Return the slot of a key in a table of keys, or the free slot (0) where it belongs. A key is never 0."""
    mask = np.uint64(len(keys) - 1)
    slot = ((key ^ (key >> np.uint64(32))) * SPREAD >> np.uint64(32)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def find_row_slot(rows: I64, keys: U64, key: np.uint64) -> np.int64:
    """Return the slot in a table of rows whose row of `keys` is the key, or the free slot (-1) where it belongs."""
    mask = len(rows) - 1
    slot = np.int64(mix(key) >> np.uint64(20)) & mask
    while rows[slot] >= 0 and keys[rows[slot]] != key:
        slot = (slot + 1) & mask
    return slot
