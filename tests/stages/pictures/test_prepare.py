"""Squares for the encoder: the pixels of transformers' processors, and the number of squares that was planned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from stages.pictures.plan import AnyResolution, ClosestShape, Encoder, Fixed, Scheme
from stages.pictures.prepare import CLIP, normalised, squares
from tests.stages.pictures.made import drawn

SMALL = Encoder(size=112, patch=14)
SQUARE = {"size": {"shortest_edge": 112}, "crop_size": {"height": 112, "width": 112}}
PINPOINTS = [[112, 224], [224, 112], [224, 224], [336, 112], [112, 336]]


@pytest.mark.parametrize(
    ("scheme", "theirs"),
    [
        (Fixed(encoder=SMALL, fit="pad"), LlavaImageProcessorPil(**SQUARE, do_pad=True)),
        (Fixed(encoder=SMALL, fit="crop"), LlavaImageProcessorPil(**SQUARE)),
        (
            AnyResolution(encoder=SMALL, tiles=tuple((w // 112, h // 112) for h, w in PINPOINTS)),
            LlavaNextImageProcessorPil(**SQUARE, image_grid_pinpoints=PINPOINTS),
        ),
        (
            ClosestShape(encoder=SMALL, max_tiles=6),
            GotOcr2ImageProcessorPil(size={"height": 112, "width": 112}, crop_to_patches=True, max_patches=6),
        ),
    ],
)
def test_pixels_equal_those_of_transformers(scheme: Scheme, theirs: Any) -> None:
    for place, (width, height) in enumerate([(160, 120), (120, 161), (37, 101), (250, 83), (112, 112), (20, 20)]):
        image = drawn(width, height, place)
        ours = normalised(squares(image, scheme))
        expected = np.asarray(theirs(image, return_tensors="np")["pixel_values"]).reshape(-1, 3, 112, 112)
        assert len(ours) == scheme.layout(image.size).squares == len(expected)
        steps = np.abs(ours - expected) * np.array(CLIP.std)[:, None, None] * 255
        assert steps.max() < 1.01, (width, height)


def test_published_values_of_clip() -> None:
    wanted = {
        0: (-1.792263, -1.752097, -1.480220),
        128: (0.076336, 0.168897, 0.339949),
        255: (1.930336, 2.074884, 2.145897),
    }
    for value, triple in wanted.items():
        pixels = normalised([np.full((2, 2, 3), value, np.uint8)])
        assert pixels[0, :, 0, 0] == pytest.approx(triple, abs=2e-6)
    assert CLIP.colour == (122, 116, 104)


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (1, 1)])
def test_extreme_shapes_need_little_memory_and_keep_their_colour(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 20, 30))
    for fit in ("crop", "stretch"):
        (square,) = squares(image, Fixed(encoder=SMALL, fit=fit))  # type: ignore[arg-type]
        assert (square == (10, 20, 30)).all()
    (padded,) = squares(image, Fixed(encoder=SMALL))
    assert padded.shape == (112, 112, 3)
    assert len(squares(image, AnyResolution(encoder=SMALL))) == 3
