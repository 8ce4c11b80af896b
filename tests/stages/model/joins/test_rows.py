"""Positions of pictures of any resolution beside transformers' `pack_image_features`, and their newlines."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch
from transformers.models.llava_next.modeling_llava_next import LlavaNextModel
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel

from stages.model.joins.rows import arranged
from stages.pictures.plan import LLAVA_TILES, ONEVISION_TILES, AnyResolution, Encoder, Size

ENCODER, DIM = Encoder(size=28, patch=7), 3
SCHEMES = {
    "llava": AnyResolution(encoder=ENCODER),
    "onevision": AnyResolution(encoder=ENCODER, tiles=ONEVISION_TILES, max_tiles=9),
}


def packed(name: str, squares: list[torch.Tensor], sizes: list[Size], newline: torch.Tensor) -> list[torch.Tensor]:
    """Return transformers' positions of pictures, given the features of their squares."""
    tiles = LLAVA_TILES if name == "llava" else ONEVISION_TILES
    config = SimpleNamespace(
        image_grid_pinpoints=[[rows * ENCODER.size, columns * ENCODER.size] for columns, rows in tiles],
        vision_config=SimpleNamespace(image_size=ENCODER.size, patch_size=ENCODER.patch),
    )
    upright = torch.tensor([(height, width) for width, height in sizes])
    own = SimpleNamespace(config=config)
    if name == "llava":
        found, _ = LlavaNextModel.pack_image_features(own, squares, upright, "default", newline)
    else:
        found, _ = LlavaOnevisionModel.pack_image_features(own, squares, upright, newline, "anyres_max_9")
    return found


@pytest.mark.parametrize("name", SCHEMES)
def test_features_and_positions_are_those_of_transformers(name: str) -> None:
    draw, scheme = random.Random(5), SCHEMES[name]
    sizes = [(draw.randint(20, 400), draw.randint(20, 400)) for _ in range(200)]
    sizes += [(376, 799), (55, 176), (88, 99), (28, 28), (56, 28), (4000, 3000)]
    layouts = [scheme.layout(size) for size in sizes]
    newline = torch.randn(1, DIM)
    squares = [torch.randn(layout.squares, ENCODER.positions, DIM) for layout in layouts]
    expected = packed(name, squares, sizes, newline[0])
    ours = arranged(torch.cat(squares), layouts, newline).split([layout.positions for layout in layouts])
    for size, own, other in zip(sizes, ours, expected, strict=True):
        assert own.shape == other.shape, size
        assert (own - other).abs().max() < 1e-6, size


def test_each_row_ends_with_the_newline_and_a_picture_without_a_row_gives_it_a_gradient() -> None:
    layout = SCHEMES["llava"].layout((56, 28))
    newline = torch.full((1, DIM), 9.0, requires_grad=True)
    found = arranged(torch.zeros(layout.squares, 16, DIM), [layout], newline)
    assert found[16:, 0].view(layout.kept[0], layout.kept[1] + 1)[:, -1].eq(9).all()
    assert (found == 9).all(1).sum() == layout.kept[0]
    thin = SCHEMES["llava"].layout((3000, 1))
    assert thin.kept[0] == 0
    (gradient,) = torch.autograd.grad(arranged(torch.zeros(thin.squares, 16, DIM), [thin], newline).sum(), newline)
    assert not gradient.any()


def test_more_squares_than_planned_are_an_error_with_both_counts() -> None:
    layout = SCHEMES["llava"].layout((56, 28))
    with pytest.raises(ValueError, match=r"3 squares are planned for 1 pictures, not 4"):
        arranged(torch.zeros(4, 16, DIM), [layout], torch.zeros(1, DIM))
