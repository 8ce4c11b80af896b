"""Pictures as they are stored: the file's own bytes where every loader reads its format, else PNG."""

from __future__ import annotations

import io

from PIL import Image


def storable(data: bytes, image: Image.Image) -> tuple[bytes, str]:
    """Return the bytes to store and their suffix: JPEG, PNG and WEBP as they are, others as PNG of what was loaded."""
    if data.startswith(b"\xff\xd8\xff"):
        return data, "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data, "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return data, "webp"
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), "png"
