"""Containers: whatever the format, mode and orientation, a picture loads as it was painted."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from stages.pictures.load import load_picture
from stages.sample.draw import Draw
from stages.sample.pictures.containers import CONTAINERS, NOISE, Container, contained
from stages.sample.pictures.paint import painted
from stages.sample.pictures.scenes import Pair

PAIR = Pair(("heron", "fox"), ("red", "blue"), "top")


@pytest.mark.parametrize("container", get_args(Container))
def test_a_picture_loads_as_it_was_painted(container: Container) -> None:
    modes = set()
    for number in range(12):
        image, _ = painted(PAIR, 64, Draw("painted", number), container == "clear")
        data, suffix = contained(image, container, Draw("contained", number), number)
        modes.add((Image.open(io.BytesIO(data)).mode, suffix))
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        wanted = Image.alpha_composite(white, image).convert("L" if container == "grey" else "RGB").convert("RGB")
        away = np.abs(np.asarray(load_picture(data)).astype(int) - np.asarray(wanted).astype(int))
        assert away.mean() < NOISE[1] / 2
    assert len(modes) == 1


def test_all_containers_and_all_orientations_occur() -> None:
    assert set(CONTAINERS) == set(get_args(Container))
    image, _ = painted(PAIR, 64, Draw("painted"), False)
    turned = {
        Image.open(io.BytesIO(contained(image, "turned", Draw("turned", number), number)[0])).getexif().get(0x0112)
        for number in range(40)
    }
    assert turned == set(range(2, 9))
