"""Loads pictures of any origin: training, evaluation and chat see the same pixels of a file.

bytes -> bounds -> header -> one full decode -> alpha over a background -> 8 bits -> EXIF orientation -> RGB

A file that cannot be loaded is a Reject whose reason is one of REASONS. Memory is bounded by `Bounds` before a pixel is
decoded. Colour profiles are not applied; of an animation the first frame counts.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, UnidentifiedImageError

from stages.formats.chat.rejects import Reject

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "missing_file": "no file has this name",
        "not_a_file": "a folder, pipe or device",
        "empty_file": "no bytes",
        "too_many_bytes": "more bytes than `max_bytes`",
        "vector_graphics": "SVG, which has no pixels and may hold scripts",
        "not_a_picture": "no format that is read: often a web page saved under a picture's name",
        "too_many_pixels": "more pixels than `max_pixels`; nothing was decoded",
        "truncated": "the file ends before the picture does",
        "broken": "the decoder failed",
    }
)
"""Reasons for which a picture is not loaded."""
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read. Formats whose plugin starts a program (EPS) or that hold other files (ICO, PSD) are not."""
WHITE = (255, 255, 255)
ORIENTATION = 0x0112
"""EXIF tag."""
HEAD_BYTES = 4096
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
Colour = tuple[int, int, int]

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FAILURES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Errors that Pillow's decoders raise on damaged bytes."""
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_WHITES = (255.0, 65535.0, 2.0**31 - 1)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Most that a picture may have."""

    max_bytes: int = 64 << 20
    """Bytes of the file."""
    max_pixels: int = 64 << 20
    """Pixels of the decoded picture; each takes up to 11 bytes while it is loaded."""


BOUNDS = Bounds()


def read_bytes(path: Path, bounds: Bounds = BOUNDS) -> bytes:
    """Return the bytes of a file. Raises Reject; never waits for a pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        if isinstance(error, OSError) and error.errno not in _NO_SUCH_FILE:
            raise
        raise Reject("missing_file", ascii(str(path))) from error
    with os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else _closed(descriptor) as file:
        size = os.fstat(descriptor).st_size
        if size > bounds.max_bytes:
            raise Reject("too_many_bytes", f"{size} bytes, at most {bounds.max_bytes}")
        return file.read()


def _closed(descriptor: int) -> io.BufferedReader:
    os.close(descriptor)
    raise Reject("not_a_file")


def load_picture(data: bytes, background: Colour = WHITE, bounds: Bounds = BOUNDS) -> Image.Image:
    """Return the picture as RGB, upright, with transparent parts over `background`.

    Raises Reject with one of REASONS.
    """
    _check_bytes(data, bounds)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(image, bounds)
        image.load()
        _check_size(image, bounds)  # a frame of a GIF may be larger than its screen
        turn = _UPRIGHT.get(_orientation(image))
        flat = _flat(image, background)
        return flat if turn is None else flat.transpose(turn)
    except UnidentifiedImageError as error:
        raise Reject("not_a_picture", repr(data[:40])) from error
    except _BOMBS as error:
        raise Reject("too_many_pixels", str(error)) from error
    except _FAILURES as error:
        raise Reject("truncated" if "truncated" in str(error).lower() else "broken", str(error)) from error


def _check_bytes(data: bytes, bounds: Bounds) -> None:
    if not data:
        raise Reject("empty_file")
    if len(data) > bounds.max_bytes:
        raise Reject("too_many_bytes", f"{len(data)} bytes, at most {bounds.max_bytes}")
    head = data[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<") and b"<svg" in head.lower():
        raise Reject("vector_graphics", repr(head[:40]))
    if data.startswith(PNG_SIGNATURE):
        _check_png(data)


def _check_png(data: bytes) -> None:
    """Check the chunks that hold pixels: Pillow accepts wrong checksums, and a file without an end."""
    view = memoryview(data)
    for name, start, end in _chunks(data):
        if end + 4 > len(data):
            raise Reject("truncated", f"chunk {name!r} at byte {start} has no end")
        if name in (b"IHDR", b"PLTE", b"IDAT") and zlib.crc32(view[start - 4 : end]) != _big_endian(data, end):
            raise Reject("broken", f"chunk {name!r} at byte {start} has a wrong checksum")
        if name == b"IEND":
            return
    raise Reject("truncated", "the PNG has no end")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the first and the last byte + 1 of each chunk's content."""
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(data):
        start, end = place + 8, place + 8 + _big_endian(data, place)
        yield data[place + 4 : start], start, end
        place = end + 4


def _big_endian(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")


def _check_size(image: Image.Image, bounds: Bounds) -> None:
    width, height = image.size
    if width * height > bounds.max_pixels:
        raise Reject("too_many_pixels", f"{width} x {height}, at most {bounds.max_pixels} pixels")


def _orientation(image: Image.Image) -> int:
    """Return the orientation of a loaded picture; 1 if its EXIF data is damaged or has none.

    Pillow turns a TIFF while it loads it, and removes the tag then.
    """
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except _FAILURES:
        return 1


def _flat(image: Image.Image, background: Colour) -> Image.Image:
    """Return the pixels as RGB, over the background where they are transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep(image, background)
    if image.mode == "La":
        image = image.convert("LA")
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:  # of 16 bits, as Pillow's pixels no longer are
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    under = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")


def _deep(image: Image.Image, background: Colour) -> Image.Image:
    """Return a grey picture of more than 8 bits as RGB. Pillow's own conversion clips at 255.

    White is 65,535 for 16 bits. Integers of 32 bits and floats have no white of their own: it is the least of 1 (floats
    alone), 255, 65,535 and 2^31 - 1 that no pixel exceeds.
    """
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        white = 65535.0
    else:
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) if image.mode == "F" else values
        most = float(values.max(initial=0))
        white = next((each for each in ((1.0,) if image.mode == "F" else ()) + _WHITES if most <= each), most)
    grey = (values.clip(0, white) * np.float32(255 / white) + np.float32(0.5)).astype(np.uint8)
    flat = Image.fromarray(grey).convert("RGB")
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        flat.paste(background, mask=Image.fromarray(values == clear))
    return flat
