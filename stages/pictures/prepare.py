"""Prepares squares for the encoder: resize, crop, pad, cut into tiles, normalise.

Pixels equal those of transformers' processors (LLaVA, LLaVA-NeXT, OneVision, GOT-OCR2/InternVL) to 1/255: the same
bicubic filter on 8 bits.

Shape suffixes: N = squares, S = pixels of a side, C = 3 channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.pictures.load import BOUNDS
from stages.pictures.plan import Fixed, Layout, Scheme, Size

Triple = tuple[float, float, float]
Square = NDArray[np.uint8]
BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, of values from 0 to 1."""

    mean: Triple
    std: Triple

    @property
    def colour(self) -> tuple[int, int, int]:
        """The mean as a colour, as LLaVA pads with it."""
        red, green, blue = (int(255 * value) for value in self.mean)
        return red, green, blue


CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
SIGLIP = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def squares(image: Image.Image, scheme: Scheme, normalisation: Normalisation = CLIP) -> list[Square]:
    """Return the squares [S, S, C] of an RGB picture, the overview at its place. Tiles go row by row."""
    layout = scheme.layout(image.size)
    side = scheme.encoder.size
    if isinstance(scheme, Fixed):
        return [np.asarray(_one(image, scheme, normalisation))]
    tiles = _cut(_canvas(image, layout, side), layout.tiles, side)
    if layout.overview:
        whole = np.asarray(image.resize((side, side), BICUBIC))
        tiles.insert(0 if layout.overview == "first" else len(tiles), whole)
    return tiles


def normalised(squares_SSC: Sequence[Square], normalisation: Normalisation = CLIP) -> NDArray[np.float32]:
    """Return the pixels [N, C, S, S] of squares, normalised."""
    height, width, channels = squares_SSC[0].shape
    pixels_NCSS = np.empty((len(squares_SSC), channels, height, width), np.float32)
    for pixels_CSS, square_SSC in zip(pixels_NCSS, squares_SSC, strict=True):
        for channel, (mean, std) in enumerate(zip(normalisation.mean, normalisation.std, strict=True)):
            values = pixels_CSS[channel]
            values[...] = square_SSC[..., channel]  # a copy, then in place: half the time of np.multiply with `out`
            values *= np.float32(1 / 255 / std)
            values -= np.float32(mean / std)
    return pixels_NCSS


def _one(image: Image.Image, scheme: Fixed, normalisation: Normalisation) -> Image.Image:
    side = scheme.encoder.size
    if scheme.fit == "crop":
        return _middle(image, side)
    if scheme.fit == "pad" and image.width != image.height:
        return _padded(image, side, normalisation.colour)
    return image.resize((side, side), BICUBIC)


def _middle(image: Image.Image, side: int) -> Image.Image:
    """Return the middle square of a picture whose shorter side is resized to `side` pixels."""
    short, long = min(image.size), max(image.size)
    resized = side * long // short
    start = (resized - side) // 2
    if image.width >= image.height:  # Pillow's first pass goes across: columns that the crop removes are left out
        scale = long / resized
        columns = image.resize((side, short), BICUBIC, box=(start * scale, 0, (start + side) * scale, short))
        return columns.resize((side, side), BICUBIC)
    if side * resized > BOUNDS.max_pixels:  # of 1 x 30,000 pixels the resized picture would have three billion
        first = (long - short) // 2
        return image.crop((0, first, short, first + short)).resize((side, side), BICUBIC)
    return image.resize((side, resized), BICUBIC).crop((0, start, side, start + side))


def _padded(image: Image.Image, side: int, colour: tuple[int, int, int]) -> Image.Image:
    """Return the picture in the middle of a square of a colour, resized; a square beyond the bounds is made smaller."""
    long = max(image.size)
    if long * long > BOUNDS.max_pixels:
        most = isqrt(BOUNDS.max_pixels)
        image = image.resize((max(1, image.width * most // long), max(1, image.height * most // long)), BICUBIC)
        long = most
    place = (long - image.width) // 2, (long - image.height) // 2
    if image.width == long:  # the rows of the padding are of one colour before and after the first pass
        image = image.resize((side, image.height), BICUBIC)
    square = Image.new("RGB", (image.width if place[0] == 0 else long, long), colour)
    square.paste(image, place)
    return square.resize((side, side), BICUBIC)


def _canvas(image: Image.Image, layout: Layout, side: int) -> Image.Image:
    """Return the picture, resized, in the middle of a black canvas of the tiles' size."""
    size = layout.tiles[0] * side, layout.tiles[1] * side
    fitted = image.resize(layout.fitted, BICUBIC)
    if fitted.size == size:
        return fitted
    canvas = Image.new("RGB", size)
    canvas.paste(fitted, ((size[0] - fitted.width) // 2, (size[1] - fitted.height) // 2))
    return canvas


def _cut(canvas: Image.Image, tiles: Size, side: int) -> list[Square]:
    pixels = np.asarray(canvas).reshape(tiles[1], side, tiles[0], side, 3)
    return [tile for row in pixels.swapaxes(1, 2) for tile in row]
