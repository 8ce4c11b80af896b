"""Preparing pictures for the encoder, beside transformers' processors on the same decoded pictures; counts of sizes.

python -m tests.bench.pictures [--rounds 5] [--check]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from stages.pictures.plan import LLAVA_TILES, AnyResolution, ClosestShape, Encoder, Fixed, Scheme
from stages.pictures.prepare import CLIP, normalised, squares
from tests.bench.compare import Comparison, add_options, alternate, one_core, show
from tests.stages.pictures.made import drawn
from tests.stages.pictures.test_plan import differing, is_tie

SIZES = 100_000
CLIP_336 = Encoder(size=336, patch=14)
SQUARE = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
COCO = [(640, 480), (640, 427), (480, 640), (640, 426), (500, 375), (427, 640)]
"""Sizes of COCO's pictures, the most frequent first."""


def _processors() -> dict[str, tuple[Scheme, Any, float]]:
    """Return by name: our scheme, transformers' processor, the least ratio of speeds."""
    pinpoints = [[336 * rows, 336 * columns] for columns, rows in LLAVA_TILES]
    internvl = GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=True)
    return {
        "llava": (Fixed(encoder=CLIP_336), LlavaImageProcessorPil(**SQUARE, do_pad=True), 2.0),
        "clip": (Fixed(encoder=CLIP_336, fit="crop"), LlavaImageProcessorPil(**SQUARE), 1.7),
        "next": (
            AnyResolution(encoder=CLIP_336),
            LlavaNextImageProcessorPil(**SQUARE, image_grid_pinpoints=pinpoints),
            2.0,
        ),
        "internvl": (ClosestShape(encoder=Encoder(size=448, patch=14, merge=2)), internvl, 1.7),
    }


def compare_processor(name: str) -> Callable[[int], list[Comparison]]:
    """Return the comparison with one processor."""

    def compare(rounds: int) -> list[Comparison]:
        one_core()
        scheme, processor, asked = _processors()[name]
        images = [drawn(width, height, seed) for seed, (width, height) in enumerate(COCO)]
        worst = 0.0
        for image in images:
            own = normalised(squares(image, scheme))
            other = np.asarray(processor(image, return_tensors="np")["pixel_values"]).reshape(own.shape)
            worst = max(worst, float((np.abs(own - other) * np.array(CLIP.std)[:, None, None] * 255).max()))
        if worst > 1.01:
            raise AssertionError(f"{name}: pixels differ by {worst:.2f} of 255")

        def ours() -> float:
            for image in images:
                normalised(squares(image, scheme))
            return len(images)

        def theirs() -> float:
            for image in images:
                processor(image, return_tensors="np")
            return len(images)

        rates = alternate(ours, theirs, rounds)
        return [Comparison(name, "pictures", *rates, "transformers", asked, f"pixels within {worst:.2f}/255")]

    return compare


def compare_counts(rounds: int) -> list[Comparison]:
    """Count the sizes at which transformers' plans are the same."""
    found = differing(SIZES)
    if found["next"] or found["onevision"] or not all(is_tie(*size) for size in found["internvl"]):
        raise AssertionError(f"other counts: { {name: sizes[:5] for name, sizes in found.items()} }")
    note = f"all of {SIZES:,} but {len(found['internvl'])} exact ties of InternVL"
    return [Comparison("counts", "sizes", 1.0, 1.0, "transformers", 1.0, note)]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {name: compare_processor(name) for name in _processors()} | {"counts": compare_counts}
    add_options(parser, list(parts))
    return show(parts, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
