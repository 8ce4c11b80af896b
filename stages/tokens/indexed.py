"""Writes Megatron's indexed dataset (.bin and .idx): documents as token ids, each with its end-of-sequence id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

from stages.text.compiled.arrays import I32


class DatasetWriter:
    """Writes one dataset; use as a context manager. Ids are uint16 for a vocabulary below 65,500, else int32."""

    def __init__(self, bin_path: Path, vocab_size: int) -> None:
        self._idx_path = bin_path.with_suffix(".idx")
        self._builder = IndexedDatasetBuilder(str(bin_path), dtype=DType.optimal_dtype(vocab_size))
        self.documents = 0
        self.tokens = 0

    def write(self, ids: Sequence[int] | I32) -> None:
        """Append one document, its end-of-sequence id included."""
        self._builder.add_document(np.asarray(ids), [len(ids)])
        self.documents += 1
        self.tokens += len(ids)

    def append(self, bin_path: Path) -> None:
        """Append a whole dataset of the same vocabulary, without counting it: the caller has its counts."""
        self._builder.add_index(str(bin_path.with_suffix("")))

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._builder.finalize(str(self._idx_path))
