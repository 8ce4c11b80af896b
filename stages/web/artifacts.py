"""Artifacts: the array files that steps of the web stage leave for later steps. Names, dtypes and owners, once.

Pages are numbered over all units of the `filter` step in order. A page's number in these files is that global number.
`index.npz` crosses runs and has a module of its own, seen_index.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.shared.errors import DataError
from stages.text.compiled.arrays import Records
from stages.text.dedup.disk_arrays import NUMBER
from stages.text.rules.measures import MEASURES as MEASURES_DTYPE

Folders = Mapping[str, Sequence[Path]]
"""Folders of all units, by step: `Task.steps`."""

PAGE = np.dtype([("url", "<u8"), ("text", "<u8"), ("words", "<u4"), ("strain", "<f4")])
"""Hash of the URL, hash of the whole text, number of words, and the used margin (0 far from every threshold, 1 at
one)."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An array file in a unit's folder."""

    name: str
    step: str
    """The step that writes it."""
    dtype: np.dtype[Any] = NUMBER
    columns: int | None = None
    """Columns of an array of two dimensions whose rows are entries; None: one dimension."""

    def save(self, folder: Path, rows: npt.ArrayLike) -> None:
        """Write the rows to a unit's folder."""
        shape = (-1,) if self.columns is None else (-1, self.columns)
        np.save(folder / self.name, np.asarray(rows, dtype=self.dtype).reshape(shape), allow_pickle=False)

    def load(self, folder: Path) -> Records:
        """Return the array of a unit's folder. Raises DataError if another version of the code wrote it."""
        return self._checked(folder / self.name, np.load(folder / self.name, allow_pickle=False))

    def map(self, folder: Path) -> Records:
        """Return the same, mapped instead of read."""
        return self._checked(folder / self.name, np.load(folder / self.name, mmap_mode="r", allow_pickle=False))

    def _checked(self, path: Path, found: Records) -> Records:
        columns = None if found.ndim == 1 else found.shape[-1]
        if found.dtype != self.dtype or columns != self.columns:
            problem = f"an array of {found.dtype} {found.shape} from another version of the code"
            raise DataError(path, problem, f"Run the step `{self.step}` again")
        return found


MEASURES = Artifact(name="measures.npy", step="extract", dtype=MEASURES_DTYPE)
"""One row a document."""
PAGES = Artifact(name="pages.npy", step="filter", dtype=PAGE)
"""One row a page: deduplication needs no more of it than this."""
BANDS = "bands.npy"
"""Signatures of `signatures` (uint64, rows x pages), larger than memory: dedup/disk_arrays.py reads and writes them."""
EDGES = "edges.npy"
"""Pairs of `buckets` (uint64, pairs x 2), by the same module: a page, and a later page of equal signature or SEEN."""
REMOVED = Artifact(name="removed.npy", step="cluster", columns=3)
"""Sorted: number of a removed page, the page kept in its place or SEEN, and 1 if their texts are equal."""
RANGES = Artifact(name="ranges.npy", step="substrings", columns=3)
"""Sorted: page, first token and end of a range to cut, counted in the tokens of the page."""
SHORT = Artifact(name="short.npy", step="substrings")
"""Sorted: pages that are too short after the cut."""
LATER = Artifact(name="later.npy", step="urls", columns=2)
"""Sorted: a page whose URL an earlier page has, and the number of that page or SEEN."""
KEPT = Artifact(name="kept.npy", step="documents")
"""Places, within the unit of `filter`, of the pages that became documents."""
STARTS = Artifact(name="starts.npy", step="cluster, substrings, urls")
"""Number of each unit's first page, and last the number of all pages."""
