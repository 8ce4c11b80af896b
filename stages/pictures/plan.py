"""Plans how a picture becomes positions of a language model, from its width and height, before any encoder runs.

Counts are made in integers: floats round `height * scale` up or down where the exact value is whole, and then count a
row of features, or a row of tiles, that the encoder does not give (transformers#33261, #34522).

Sizes are (width, height); tiles are (columns, rows); grids of features are (rows, columns).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt
from typing import Literal

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """The grid of features that an encoder gives of a square picture."""

    size: int
    """Pixels of a side."""
    patch: int
    """Pixels of a patch's side; what is left over at the right and bottom is not used."""
    merge: int = 1
    """Neighbours that become one feature, along each side."""
    class_token: bool = False
    """Whether the class token is kept, before the grid."""

    def __post_init__(self) -> None:
        if min(self.size, self.patch, self.merge) < 1 or self.size < self.patch:
            raise ValueError(f"{self}: size, patch and merge must be positive, and a patch must fit into the size")
        if self.size // self.patch % self.merge:
            raise ValueError(f"a grid of {self.size // self.patch} features cannot be merged by {self.merge}")

    @property
    def side(self) -> int:
        """Features along a side."""
        return self.size // self.patch // self.merge

    @property
    def positions(self) -> int:
        """Positions of one square picture."""
        return self.side**2 + self.class_token


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one picture is cut into squares for the encoder, and what is kept of their features."""

    tiles: Size
    """Columns and rows of squares; the canvas is that many times the encoder's size."""
    fitted: Size
    """Size of the picture on the canvas, centred."""
    overview: Literal["", "first", "last"] = ""
    """Place of a further square with the whole picture."""
    kept: Size
    """Rows and columns of the features that are kept of the tiles, the padding cut off; 0 of an extreme shape."""
    shown: Size
    """Rows and columns that hold the picture, in the middle of the tiles' features; more than `kept` where these are
    interpolated down."""
    positions: int

    @property
    def squares(self) -> int:
        """Squares for the encoder."""
        return self.tiles[0] * self.tiles[1] + bool(self.overview)


def _check(size: Size) -> None:
    if min(size) < 1:
        raise ValueError(f"a picture of {size[0]} x {size[1]} pixels")


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """One square a picture (LLaVA 1.0 and 1.5, CLIP, SigLIP)."""

    encoder: Encoder
    fit: Literal["crop", "pad", "stretch"] = "pad"
    """crop: the middle, the shorter side as long as the square. pad: all of it, on a square of the mean colour."""

    def layout(self, size: Size) -> Layout:
        """Return the layout of a picture, the same for all sizes."""
        _check(size)
        side = self.encoder.side
        return Layout(
            tiles=(1, 1),
            fitted=(self.encoder.size, self.encoder.size),
            kept=(side, side),
            shown=(side, side),
            positions=self.encoder.positions,
        )


LLAVA_TILES: tuple[Size, ...] = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))
"""Of LLaVA 1.6, in its order; of equals the first wins."""
ONEVISION_TILES: tuple[Size, ...] = tuple((columns, rows) for columns in range(1, 7) for rows in range(1, 7))


@dataclass(frozen=True, kw_only=True)
class AnyResolution:
    """Tiles of LLaVA 1.6 and OneVision: an overview, then rows of features of the tiles, each with a newline."""

    encoder: Encoder
    tiles: tuple[Size, ...] = LLAVA_TILES
    max_tiles: int = 0
    """Features above 1.21 times those of so many tiles are interpolated down to them (OneVision: 9); 0: never."""

    def __post_init__(self) -> None:
        if not self.tiles or any(min(tile) < 1 for tile in self.tiles):
            raise ValueError(f"tiles {self.tiles}: at least one shape of at least 1 x 1 is needed")

    def layout(self, size: Size) -> Layout:
        """Return the layout of a picture."""
        _check(size)
        tiles = self._best(size)
        shown = self._shown(size, tiles)
        kept = self._kept(shown)
        canvas = tiles[0] * self.encoder.size, tiles[1] * self.encoder.size
        return Layout(
            tiles=tiles,
            fitted=_fitted(size, canvas),
            overview="first",
            kept=kept,
            shown=shown,
            positions=self.encoder.positions + kept[0] * (kept[1] + 1),
        )

    def _best(self, size: Size) -> Size:
        """Return the shape that keeps most of the picture's pixels, and of those the one that wastes fewest."""
        width, height = size

        def worth(tile: Size) -> tuple[int, int]:
            across, down = tile[0] * self.encoder.size, tile[1] * self.encoder.size
            if across * height <= down * width:  # the width limits the scale
                shown = across * (height * across // width)
            else:
                shown = (width * down // height) * down
            effective = min(shown, width * height)
            return effective, effective - across * down

        return max(self.tiles, key=worth)

    def _shown(self, size: Size, tiles: Size) -> Size:
        """Return the rows and columns of features that hold the picture."""
        width, height = size
        rows, columns = tiles[1] * self.encoder.side, tiles[0] * self.encoder.side
        if width * rows > columns * height:
            rows -= (rows - height * columns // width) // 2 * 2
        else:
            columns -= (columns - width * rows // height) // 2 * 2
        return rows, columns

    def _kept(self, shown: Size) -> Size:
        """Return the rows and columns that the model interpolates those to; the same up to `max_tiles`."""
        rows, columns = shown
        most = self.max_tiles * self.encoder.side**2
        # The model interpolates to these floats (transformers and LLaVA-NeXT); IEEE 754 rounds both operations exactly.
        ratio = sqrt(rows * columns / most) if most else 1.0
        return (int(rows // ratio), int(columns // ratio)) if ratio > 1.1 else (rows, columns)


def _fitted(size: Size, canvas: Size) -> Size:
    """Return the size of the picture on a canvas, as LLaVA and transformers round it: 504.00000000000006 up to 505.

    It changes pixels and no count; IEEE 754 gives the same floats on every machine.
    """
    (width, height), (across, down) = size, canvas
    if across / width < down / height:
        return across, min(ceil(height * (across / width)), down)
    return min(ceil(width * (down / height)), across), down


@dataclass(frozen=True, kw_only=True)
class ClosestShape:
    """Tiles of InternVL: the grid whose shape is closest to the picture's, then a thumbnail."""

    encoder: Encoder
    min_tiles: int = 1
    max_tiles: int = 12
    thumbnail: bool = True
    """Whether a picture of several tiles is also shown whole."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_tiles <= self.max_tiles:
            raise ValueError(f"{self}: min_tiles must be from 1 to max_tiles")

    def layout(self, size: Size) -> Layout:
        """Return the layout of a picture."""
        _check(size)
        columns, rows = self._closest(size)
        has_overview = self.thumbnail and columns * rows > 1
        side = self.encoder.side
        return Layout(
            tiles=(columns, rows),
            fitted=(columns * self.encoder.size, rows * self.encoder.size),
            overview="last" if has_overview else "",
            kept=(rows * side, columns * side),
            shown=(rows * side, columns * side),
            positions=(columns * rows + has_overview) * self.encoder.positions,
        )

    def _closest(self, size: Size) -> Size:
        """Return the grid of the closest shape; of equals the largest whose area is below twice the picture's."""
        width, height = size
        best, least = self._grids[0], abs(width * self._grids[0][1] - self._grids[0][0] * height)
        for columns, rows in self._grids[1:]:
            # |width / height - columns / rows| times height * rows; both sides of a comparison have the same height
            distance = abs(width * rows - columns * height)
            further = distance * best[1] - least * rows
            is_large = 2 * width * height > self.encoder.size**2 * columns * rows
            if further < 0 or (further == 0 and is_large):
                best, least = (columns, rows), distance
        return best

    @cached_property
    def _grids(self) -> tuple[Size, ...]:
        counts = range(1, self.max_tiles + 1)
        grids = [(columns, rows) for columns in counts for rows in counts]
        fitting = [grid for grid in grids if self.min_tiles <= grid[0] * grid[1] <= self.max_tiles]
        return tuple(sorted(fitting, key=lambda grid: grid[0] * grid[1]))


Scheme = Fixed | AnyResolution | ClosestShape
