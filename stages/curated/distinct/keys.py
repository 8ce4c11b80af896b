"""Keys by which documents are compared, a file a unit: a hash of each text, and hashes of its n-grams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datatrove.data import Document

from stages.curated.items import Found
from stages.curated.reading.unit import read_unit
from stages.curated.settings import DistinctSettings
from stages.shared.task import Task
from stages.text.blocks.gate import Gate
from stages.text.compiled.arrays import I64, U64
from stages.text.dedup.minhash import MinHash
from stages.text.dedup.page_hashes import text_hash
from stages.text.words.shingles import shingles
from stages.text.words.tokens import word_hashes

FILE = "keys.npy"
SKETCHES = "sketches.npy"
SEED = 1


class Keys(NamedTuple):
    """Of some documents in order."""

    texts: U64
    """Hash of each text."""
    sizes: I64
    """Number of hashes in each sketch."""
    sketches: U64
    """Sketches of all documents one after the other."""


class KeyWriter:
    """Collects the keys of documents as they pass."""

    def __init__(self, settings: DistinctSettings) -> None:
        self._settings = settings
        self._method = MinHash(settings.buckets, settings.hashes_per_bucket, settings.ngram, SEED)
        self._keys: list[tuple[int, int]] = []
        self._sketches: list[U64] = []

    def add(self, doc: Document) -> None:
        """Add one document."""
        sketch = self._sketch(doc.text)
        self._keys.append((text_hash(doc.text), len(sketch)))
        self._sketches.append(sketch)

    def _sketch(self, text: str) -> U64:
        empty = np.empty(0, np.uint64)
        if self._settings.near == "none":
            return empty
        words = word_hashes(text)
        if not len(words):
            return empty
        if self._settings.near == "minhash":
            return self._method.sign(words)
        found = np.unique(shingles(words, self._settings.ngram, np.uint64(SEED)))
        chosen: U64 = found[found < np.uint64((1 << 64) // self._settings.sampled - 1)]
        return chosen

    def save(self, folder: Path) -> None:
        """Write the keys to a unit's folder."""
        np.save(folder / FILE, np.array(self._keys, np.uint64).reshape(-1, 2), allow_pickle=False)
        np.save(folder / SKETCHES, np.concatenate([np.empty(0, np.uint64), *self._sketches]), allow_pickle=False)


def read_with_keys(task: Task[Any], items: Iterable[Found], gates: Sequence[Gate] = ()) -> dict[str, Any]:
    """Write the documents of one file, as `read_unit` does, and the keys by which they are compared."""
    keys = KeyWriter(task.config.distinct)
    summary = read_unit(task, items, gates, keys.add)
    keys.save(task.out)
    return summary


def load_keys(folder: Path) -> Keys:
    """Return the keys of a unit's folder."""
    rows = np.load(folder / FILE, allow_pickle=False)
    return Keys(rows[:, 0], rows[:, 1].astype(np.int64), np.load(folder / SKETCHES, allow_pickle=False))
