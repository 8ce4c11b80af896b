"""Pictures of several collections by key."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stages.formats.chat.rejects import Reject
from stages.formats.pictures.collections import Collection, Picture
from stages.pictures.load import Bounds, load_picture
from stages.pictures.plan import Size
from stages.shared.errors import DataError


class Album:
    """The pictures of collections. A key that several have is that of the first."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises DataError, naming the folder, for one that is no whole collection."""
        self._collections = [Collection(folder) for folder in folders]
        keys = np.concatenate([np.empty(0, "S1"), *(each.rows["key"] for each in self._collections)])
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self._ends = np.cumsum([len(each) for each in self._collections], dtype=np.int64)

    def _place(self, key: str) -> tuple[Collection, int]:
        """Return a picture's collection and its row there. Raises KeyError if no collection has it."""
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
        """Raise DataError, naming one, for pictures that no collection has."""
        missing = {key for key in keys if not self._has(key)}
        if missing:
            place = self._collections[-1].folder if self._collections else Path("pictures")
            remedy = "Give all collections of these pictures in `pictures`"
            raise DataError(place, f"lacks {len(missing)} of the pictures", remedy, record=ascii(min(missing)))

    def size(self, key: str) -> Size:
        """Return the width and height of a picture, upright. Raises KeyError if no collection has it."""
        collection, place = self._place(key)
        row = collection.rows[place]
        return int(row["width"]), int(row["height"])

    def image(self, key: str) -> Image.Image:
        """Return a picture as RGB. Raises KeyError if no collection has it, and DataError for bytes that changed."""
        collection, place = self._place(key)
        return image_of(collection, collection[place])

    def thumbnail(self, key: str, side: int) -> str:
        """Return a picture as a data URL of WEBP, its longer side at most `side` pixels. Raises as `image` does."""
        image = self.image(key)
        image.thumbnail((side, side))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=80, method=4)
        return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"

    def close(self) -> None:
        """Close the collections."""
        for collection in self._collections:
            collection.close()


def image_of(collection: Collection, picture: Picture) -> Image.Image:
    """Return a collection's picture as RGB. Raises DataError if it cannot be loaded."""
    bounds = Bounds(max_bytes=len(picture.data), max_pixels=picture.width * picture.height)
    try:
        return load_picture(picture.data, bounds=bounds)
    except Reject as reject:
        problem = f"a picture cannot be loaded ({reject.reason}: {reject.detail})"
        remedy = "Run the unit that wrote it again"
        raise DataError(collection.folder, problem, remedy, record=picture.key) from reject
