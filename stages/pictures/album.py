"""Pictures of several collections by their keys, loaded as everywhere else."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from stages.formats.chat.rejects import Reject
from stages.formats.pictures.collections import Collection, Picture
from stages.pictures.load import load_picture
from stages.pictures.plan import Size
from stages.shared.errors import DataError

_REMEDY = "Give all collections of these pictures in `pictures`"


class Album:
    """Opens collections. Keys are looked up once, by `require`."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises DataError for a folder that is no whole collection."""
        self._folders = [*folders]
        self._collections = [Collection(folder) for folder in folders]
        self._places: dict[str, tuple[Collection, int]] = {}

    def require(self, keys: Iterable[str]) -> None:
        """Look up pictures. Raises DataError, naming a key, if a picture is in no collection."""
        wanted = set(keys) - self._places.keys()
        for collection in self._collections:
            found = collection.positions(wanted)
            self._places.update((key, (collection, place)) for key, place in found.items())
            wanted -= found.keys()
        if wanted:
            place = self._folders[-1] if self._folders else Path("pictures")
            raise DataError(place, f"lacks {len(wanted)} of the pictures", _REMEDY, record=ascii(min(wanted)))

    def size(self, key: str) -> Size:
        """Return width and height of the upright picture, from the index."""
        collection, place = self._place(key)
        row = collection.rows[place]
        return int(row["width"]), int(row["height"])

    def picture(self, key: str) -> Picture:
        """Return the picture's bytes and texts."""
        collection, place = self._place(key)
        return collection[place]

    def image(self, key: str) -> Image.Image:
        """Return the picture as RGB, upright. Raises DataError if it no longer loads."""
        try:
            return load_picture(self.picture(key).data)
        except Reject as reject:
            folder = self._place(key)[0].folder
            raise DataError(folder, f"{reject.reason}: {reject}", _REMEDY, record=key) from reject

    def thumbnail(self, key: str, side: int) -> str:
        """Return the picture as a data URL of WEBP, its longer side at most `side` pixels."""
        image = self.image(key)
        image.thumbnail((side, side))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=80, method=4)
        return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"

    def _place(self, key: str) -> tuple[Collection, int]:
        self.require([key])
        return self._places[key]
