"""Pictures of several collections by key."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from PIL import Image

from stages.formats.chat.rejects import Reject
from stages.formats.pictures.collections import Collection, Picture
from stages.pictures.load import Bounds, load_picture
from stages.pictures.plan import Size
from stages.pictures.shelf import Shelf
from stages.shared.errors import DataError


class Album(Shelf[Collection]):
    """The pictures of collections."""

    field: ClassVar[str] = "pictures"

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises DataError, naming the folder, for one that is no whole collection."""
        super().__init__([Collection(folder) for folder in folders])

    def size(self, key: str) -> Size:
        """Return the width and height of a picture, upright. Raises KeyError if no collection has it."""
        collection, place = self._place(key)
        row = collection.rows[place]
        return int(row["width"]), int(row["height"])

    def load(self, key: str) -> Image.Image:
        """Return a picture as RGB. Raises KeyError if no collection has it, and DataError for bytes that changed."""
        collection, place = self._place(key)
        return image_of(collection, collection[place])

    def thumbnail(self, key: str, side: int) -> str:
        """Return a picture as a data URL of WEBP, its longer side at most `side` pixels. Raises as `image` does."""
        image = self.load(key)
        image.thumbnail((side, side))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=80, method=4)
        return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def image_of(collection: Collection, picture: Picture) -> Image.Image:
    """Return a collection's picture as RGB. Raises DataError if it cannot be loaded."""
    bounds = Bounds(max_bytes=len(picture.data), max_pixels=picture.width * picture.height)
    try:
        return load_picture(picture.data, bounds=bounds)
    except Reject as reject:
        problem = f"a picture cannot be loaded ({reject.reason}: {reject.detail})"
        remedy = "Run the unit that wrote it again"
        raise DataError(collection.folder, problem, remedy, record=picture.key) from reject
