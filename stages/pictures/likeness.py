"""Fingerprints of pictures: near copies of a picture have near fingerprints, whatever their size and format.

Two measures must agree: a hash of the luminance's lowest frequencies (pHash), and the colours of a grid. The hash alone
takes a red flag for a green one of the same pattern.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Pixels of a side before the transform."""
LOWEST = 8
"""Frequencies along each side that make the hash: 64 bits."""
GRID = 4
"""Cells along each side whose colours are compared."""
MAX_BITS = 8
"""Most bits in which the hashes of near copies differ."""
MAX_COLOUR = 10.0
"""Most mean difference of their colours, of 255."""


class Fingerprint(NamedTuple):
    """Of one picture."""

    hash: int
    colours: bytes
    """RGB of the grid's cells, row by row."""


def fingerprint(image: Image.Image) -> Fingerprint:
    """Return the fingerprint of an RGB picture."""
    # Cells of a box filter differ much with the size where a picture is hardly larger than the grid.
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(small.convert("L"), np.float64)
    frequencies = _cosines() @ grey @ _cosines().T
    bits = np.round(frequencies, 6) > np.median(np.round(frequencies.ravel()[1:], 6))
    number = int.from_bytes(np.packbits(bits.ravel()).tobytes(), "big")
    return Fingerprint(number, small.resize((GRID, GRID), Image.Resampling.BOX).tobytes())


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """Return the lowest rows of the discrete cosine transform (type II)."""
    order, place = np.arange(LOWEST)[:, None], np.arange(SIDE)[None]
    matrix: NDArray[np.float64] = np.cos(np.pi * order * (2 * place + 1) / (2 * SIDE))
    return matrix


class Likeness:
    """Finds near copies of a set of pictures."""

    def __init__(self, known: Iterable[Fingerprint]) -> None:
        found = list(dict.fromkeys(known))
        self._hashes = np.array([each.hash for each in found], np.uint64)
        colours = np.frombuffer(b"".join(each.colours for each in found), np.uint8)
        self._colours = colours.reshape(len(found), 3 * GRID * GRID).astype(np.int16)

    def nearest(self, found: Fingerprint) -> int | None:
        """Return the number of bits in which the hash differs from that of the nearest copy; None: it has no copy."""
        bits = np.bitwise_count(self._hashes ^ np.uint64(found.hash))
        near = np.flatnonzero(bits <= MAX_BITS)
        own = np.frombuffer(found.colours, np.uint8).astype(np.int16)
        alike = near[np.abs(self._colours[near] - own).mean(1) <= MAX_COLOUR]
        return int(bits[alike].min()) if alike.size else None
