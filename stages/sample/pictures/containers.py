"""Files of pictures: the formats and modes that photographs and drawings of the web have, one a picture."""

from __future__ import annotations

import io
from typing import Any, Literal

from PIL import Image

from stages.pictures.load import ORIENTATION
from stages.sample.draw import Draw
from stages.sample.pictures.canvas import noisy

Container = Literal["png", "jpg", "webp", "turned", "clear", "palette", "grey"]
CONTAINERS: tuple[Container, ...] = (
    *("png", "png", "png", "png", "jpg", "jpg", "jpg", "jpg", "jpg", "jpg"),
    *("webp", "webp", "webp", "webp", "turned", "turned", "clear", "clear", "palette", "grey"),
)
"""`turned`: a JPEG whose EXIF data says how to turn it upright. `clear`: a PNG with a transparent ground."""
NOISE = (4, 24)
"""Least and most noise on a value, of 255."""
QUALITY = 92
_STORED: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is turned before it is stored with an orientation."""


def contained(image: Image.Image, container: Container, draw: Draw, *name: object) -> tuple[bytes, str]:
    """Return the file of a picture in RGBA, and its suffix. `name` is what its noise is drawn from."""
    flat = noisy(image.convert("RGB"), draw.between(*NOISE), *name)
    match container:
        case "jpg":
            return _saved(flat, "JPEG", quality=QUALITY), "jpg"
        case "webp":
            return _saved(flat, "WEBP", quality=QUALITY), "webp"
        case "turned":
            orientation = draw.pick(sorted(_STORED))
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            return _saved(flat.transpose(_STORED[orientation]), "JPEG", quality=QUALITY, exif=exif), "jpg"
        case "clear":
            flat.putalpha(image.getchannel("A"))
        case "palette":
            flat = flat.quantize(128)
        case "grey":
            flat = flat.convert("L")
    return _saved(flat, "PNG"), "png"


def _saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()
