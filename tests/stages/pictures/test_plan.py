"""Plans: published counts, the sizes at which floats count wrong, and transformers' own functions."""

from __future__ import annotations

import random
from fractions import Fraction
from types import SimpleNamespace

import pytest
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

from stages.pictures.plan import (
    LLAVA_TILES,
    ONEVISION_TILES,
    AnyResolution,
    ClosestShape,
    Encoder,
    Fixed,
    Scheme,
)

CLIP_336 = Encoder(size=336, patch=14)
LLAVA = AnyResolution(encoder=CLIP_336)
ONEVISION = AnyResolution(encoder=Encoder(size=384, patch=14), tiles=ONEVISION_TILES, max_tiles=9)
INTERNVL = ClosestShape(encoder=Encoder(size=448, patch=14, merge=2))


def sizes(count: int) -> list[tuple[int, int]]:
    draw = random.Random(7)
    return [(draw.randint(1, most), draw.randint(1, most)) for most in (60, 1300, 5000) for _ in range(count // 3)]


def differing(count: int) -> dict[str, list[tuple[int, int]]]:
    """Return the sizes at which transformers counts otherwise; its lists of shapes begin with the rows."""
    of_next = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
    of_onevision = [[384 * rows, 384 * columns] for rows in range(1, 7) for columns in range(1, 7)]
    theirs_next = object.__new__(LlavaNextProcessor)
    theirs_next.image_processor = SimpleNamespace(image_grid_pinpoints=of_next)
    theirs_next.patch_size, theirs_next.num_additional_image_tokens = 14, 0
    theirs = object.__new__(LlavaOnevisionProcessor)
    theirs.image_processor = SimpleNamespace(image_grid_pinpoints=of_onevision)
    theirs.num_image_tokens, theirs.vision_aspect_ratio = 729, "anyres_max_9"
    ours_next = AnyResolution(encoder=CLIP_336, tiles=tuple((w // 336, h // 336) for h, w in of_next))
    shapes = tuple((w // 384, h // 384) for h, w in of_onevision)
    ours = AnyResolution(encoder=ONEVISION.encoder, tiles=shapes, max_tiles=9)
    found: dict[str, list[tuple[int, int]]] = {"next": [], "onevision": [], "internvl": []}
    for width, height in sizes(count):
        if ours_next.layout((width, height)).positions != theirs_next._get_number_of_features(height, width, 336, 336):
            found["next"].append((width, height))
        if ours.layout((width, height)).positions != theirs._get_number_of_features(height, width, 384, 384):
            found["onevision"].append((width, height))
        grid = get_optimal_tiled_canvas((height, width), (448, 448), 1, 12)
        if INTERNVL.layout((width, height)).tiles != grid:
            found["internvl"].append((width, height))
    return found


def is_tie(width: int, height: int) -> bool:
    """Return whether two shapes of InternVL are exactly as close to the picture's."""
    grids = {Fraction(columns, rows) for columns in range(1, 13) for rows in range(1, 12 // columns + 1)}
    distances = [abs(Fraction(width, height) - grid) for grid in grids]
    return len(distances) > len(set(distances))


def test_counts_equal_those_of_transformers_but_where_two_shapes_are_equally_close() -> None:
    found = differing(1500)
    assert (found["next"], found["onevision"]) == ([], [])
    assert all(is_tie(*size) for size in found["internvl"])


@pytest.mark.parametrize(
    ("size", "patch", "merge", "positions"),
    [
        (224, 14, 1, 256),
        (336, 14, 1, 576),
        (224, 16, 1, 196),
        (384, 14, 1, 729),
        (448, 14, 1, 1024),
        (512, 16, 1, 1024),
        (224, 14, 2, 64),
        (336, 14, 2, 144),
        (448, 14, 2, 256),
        (512, 16, 2, 256),
    ],
)
def test_a_fixed_grid_has_a_position_a_patch_and_one_more_with_a_class_token(
    size: int, patch: int, merge: int, positions: int
) -> None:
    encoder = Encoder(size=size, patch=patch, merge=merge)
    assert Fixed(encoder=encoder).layout((31, 7)).positions == positions
    assert Encoder(size=size, patch=patch, merge=merge, class_token=True).positions == positions + 1


def test_an_odd_grid_cannot_be_merged_in_pairs() -> None:
    with pytest.raises(ValueError, match="a grid of 27 features cannot be merged by 2"):
        Encoder(size=384, patch=14, merge=2)


LLAVA_COUNTS = (
    "336x336 1176, 640x480 2340, 480x640 2352, 1024x768 2340, 1000x500 1752, 500x1000 1776, 300x900 2376, "
    "900x300 2328, 400x900 1926, 100x1000 1224, 1000x100 1160, 2000x2000 2928, 672x336 1752, 427x640 2160, "
    "1920x1080 1948, 50x60 1276, 1x1 1176"
)
FLOAT_TRAPS = "376x799 1876, 55x176 1392, 88x99 1276, 235x1128 1800, 205x656 1392, 328x205 976"
ONEVISION_COUNTS = (
    "384x384 1485, 640x480 2929, 768x768 3699, 1024x768 4725, 1152x1152 7371, 1920x1080 7269, 2304x2304 7371, "
    "4000x3000 7309, 100x2000 2349"
)


def counts(text: str, scheme: Scheme) -> tuple[dict[str, int], dict[str, int]]:
    wanted = {name: int(count) for name, count in (pair.split() for pair in text.split(", "))}
    found = {name: scheme.layout((int(name.split("x")[0]), int(name.split("x")[1]))).positions for name in wanted}
    return found, wanted


@pytest.mark.parametrize(
    ("text", "scheme"), [(LLAVA_COUNTS, LLAVA), (FLOAT_TRAPS, LLAVA), (ONEVISION_COUNTS, ONEVISION)]
)
def test_published_counts_of_any_resolution(text: str, scheme: Scheme) -> None:
    found, wanted = counts(text, scheme)
    assert found == wanted


@pytest.mark.parametrize(
    ("size", "most", "squares"),
    [
        ((800, 600), 6, 7),
        ((336, 336), 6, 1),
        ((1920, 1080), 6, 3),
        ((1920, 1080), 12, 9),
        ((4000, 3000), 12, 13),
        ((900, 900), 12, 5),
    ],
)
def test_published_counts_of_internvl(size: tuple[int, int], most: int, squares: int) -> None:
    layout = ClosestShape(encoder=INTERNVL.encoder, max_tiles=most).layout(size)
    assert (layout.squares, layout.positions) == (squares, 256 * squares)


def test_ties_go_to_the_first_shape_and_what_is_kept_is_within_the_tiles() -> None:
    assert LLAVA.layout((336, 336)).tiles == LLAVA_TILES[0]
    for size in sizes(300):
        layout = LLAVA.layout(size)
        assert 0 <= layout.kept[0] <= 24 * layout.tiles[1]
        assert 0 <= layout.kept[1] <= 24 * layout.tiles[0]
        assert layout.positions == 576 + layout.kept[0] * (layout.kept[1] + 1)
        assert layout.fitted[0] <= 336 * layout.tiles[0]
        assert layout.fitted[1] <= 336 * layout.tiles[1]


def test_a_picture_is_fitted_as_the_reference_rounds_it() -> None:
    assert LLAVA.layout((500, 375)).fitted == (672, 505)
    assert LLAVA.layout((640, 480)).fitted == (672, 504)


def test_sizes_and_shapes_that_do_not_exist_are_refused() -> None:
    for scheme in (Fixed(encoder=CLIP_336), LLAVA, INTERNVL):
        with pytest.raises(ValueError, match="0 x 5 pixels"):
            scheme.layout((0, 5))
    with pytest.raises(ValueError, match="at least one shape"):
        AnyResolution(encoder=CLIP_336, tiles=())
    with pytest.raises(ValueError, match="min_tiles must be"):
        ClosestShape(encoder=CLIP_336, min_tiles=3, max_tiles=2)
