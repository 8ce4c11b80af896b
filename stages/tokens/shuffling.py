"""Writes the documents of several datasets in an order that is drawn from a key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.tokens.indexed import DatasetWriter


def write_shuffled(dataset: DatasetWriter, paths: Sequence[Path], key: str) -> None:
    """Append every document of datasets once. The order is a function of the key and of the number of documents.

    Memory: 8 bytes a document; the tokens are read from disk.
    """
    filled = [path for path in paths if path.stat().st_size]  # an empty file cannot be mapped
    parts = [IndexedDataset(str(path.with_suffix(""))) for path in filled]
    ends = np.cumsum([len(part.sequence_lengths) for part in parts], dtype=np.int64)
    seed = np.frombuffer(hashlib.sha256(key.encode(errors="replace")).digest(), np.uint32)
    for place in np.random.RandomState(seed).permutation(int(ends[-1]) if parts else 0):
        part = int(np.searchsorted(ends, place, "right"))
        dataset.write(parts[part][int(place - (ends[part - 1] if part else 0))])
