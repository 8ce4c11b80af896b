"""Pictures or sounds of several collections by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from stages.formats.pictures.tars import Tars
from stages.shared.errors import DataError

AnyTars = TypeVar("AnyTars", bound=Tars)


class Shelf(Generic[AnyTars]):
    """The files of collections. A key that several have is that of the first."""

    field: ClassVar[str]
    """Input field that names the collections."""

    def __init__(self, collections: Sequence[AnyTars]) -> None:
        self._collections = collections
        keys = np.concatenate([np.empty(0, "S1"), *(each.rows["key"] for each in collections)])
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self._ends = np.cumsum([len(each) for each in collections], dtype=np.int64)

    def _place(self, key: str) -> tuple[AnyTars, int]:
        """Return a file's collection and its row there. Raises KeyError if no collection has it."""
        name = key.encode("utf-8", "replace")
        found = int(np.searchsorted(self._keys, name))
        if found == len(self._keys) or self._keys[found] != name:
            raise KeyError(key)
        row = int(self._order[found])
        number = int(np.searchsorted(self._ends, row, side="right"))
        collection = self._collections[number]
        return collection, row - (int(self._ends[number]) - len(collection))

    def _has(self, key: str) -> bool:
        try:
            self._place(key)
        except KeyError:
            return False
        return True

    def require(self, keys: Iterable[str]) -> None:
        """Raise DataError, naming one, for keys that no collection has."""
        missing = {key for key in keys if not self._has(key)}
        if missing:
            place = self._collections[-1].folder if self._collections else Path(self.field)
            remedy = f"Give all collections of these {self.field} in `{self.field}`"
            raise DataError(place, f"lacks {len(missing)} of the {self.field}", remedy, record=ascii(min(missing)))

    def close(self) -> None:
        """Close the collections."""
        for collection in self._collections:
            collection.close()
