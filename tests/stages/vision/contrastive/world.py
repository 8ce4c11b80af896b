"""A world of small pictures with captions: three colours at four places, each several times with noise of its own."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.pictures.likeness import fingerprint
from tests.stages.model.folders import make_tokenizer

COLOURS = {"red": (220, 40, 30), "green": (30, 190, 60), "blue": (40, 60, 220)}
PLACES = {"top left": (0, 0), "top right": (8, 0), "bottom left": (0, 8), "bottom right": (8, 8)}
CAPTIONS = [f"a {colour} thing at the {place}" for colour, place in product(COLOURS, PLACES)]
SIDE = 16


def picture(number: int) -> Picture:
    colour, place = list(product(COLOURS, PLACES))[number % len(CAPTIONS)]
    pixels = np.random.RandomState(number).randint(150, 256, (SIDE, SIDE, 3))
    x, y = PLACES[place]
    pixels[y : y + 8, x : x + 8] = COLOURS[colour]
    stored = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stored, "PNG")
    caption = CAPTIONS[number % len(CAPTIONS)]
    data = stored.getvalue()
    return Picture(key=key_of(data), suffix="png", data=data, width=SIDE, height=SIDE, captions=(caption,))


def write_world(folder: Path, count: int = 60) -> Path:
    """Write a collection and a tokenizer."""
    make_tokenizer(folder, 300, CAPTIONS * 8)
    with CollectionWriter(folder / "pictures") as writer:
        for made in map(picture, range(count)):
            writer.add(made, *fingerprint(Image.open(io.BytesIO(made.data)).convert("RGB")))
    return folder
