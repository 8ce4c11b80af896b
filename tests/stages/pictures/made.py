"""Pictures that tests make: whole ones of any format, and 40 broken ones."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    """Return a picture's file."""
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def drawn(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return a picture of smooth colours with some noise, as photographs have."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + draw.integers(-20, 20, smooth.shape)).clip(0, 255).astype(np.uint8))


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *before: bytes, pixels: bytes = b"") -> bytes:
    """Return a PNG whose header says that it is so large, whatever its pixels are."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return SIGNATURE + header + b"".join(before) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def broken_files() -> dict[str, tuple[bytes, str]]:
    """Return 40 files that are no pictures, by name, with the reason of each."""
    image = drawn(90, 70)
    whole = {
        "jpeg": encoded(image, "JPEG"),
        "progressive": encoded(image, "JPEG", progressive=True),
        "png": encoded(image),
        "bmp": encoded(image, "BMP"),
        "tiff": encoded(image, "TIFF"),
        "ppm": encoded(image, "PPM"),
        "gif": encoded(image, "GIF"),
    }
    found: dict[str, tuple[bytes, str]] = {}
    for name, data in whole.items():
        for share in (0.5, 0.7, 0.9):
            found[f"{name}-{share}"] = (data[: int(len(data) * share)], "truncated")
    for name in ("WEBP", "JPEG2000", "AVIF"):
        data = encoded(image, name)
        found[f"{name}-cut"] = (data[: len(data) - 200], "truncated" if name == "AVIF" else "broken")
    data = whole["png"]
    place = data.index(b"IDAT")
    bomb = zlib.compress(bytes(8 << 20))
    return found | {
        "no-end": (data[:-12], "truncated"),
        "flipped": (data[: place + 99] + bytes([data[place + 99] ^ 1]) + data[place + 100 :], "broken"),
        "empty": (b"", "empty_file"),
        "page": (b"<!DOCTYPE html><html><body>404</body></html>", "not_a_picture"),
        "text": (b"not found\n" * 9, "not_a_picture"),
        "zeros": (bytes(4096), "not_a_picture"),
        "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print\n", "not_a_picture"),
        "pdf": (b"%PDF-1.7\n%%EOF\n", "not_a_picture"),
        "pickle": (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n", "not_a_picture"),
        "head": (whole["jpeg"][:2], "not_a_picture"),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "vector_graphics"),
        "svg-2": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "vector_graphics"),
        "giant": (png(20_000, 18_000), "too_many_pixels"),
        "bomb": (png(60_000, 60_000, pixels=bytes(1 << 20)), "too_many_pixels"),
        "text-bomb": (png(4, 4, chunk(b"zTXt", b"x\0\0" + bomb), pixels=bytes(52)), "broken"),
        "profile-bomb": (png(4, 4, chunk(b"iCCP", b"x\0\0" + bomb), pixels=bytes(52)), "broken"),
    }
