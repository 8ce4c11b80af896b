"""Stored bytes: a file that every loader reads stays as it is, another becomes PNG with the same pixels."""

from __future__ import annotations

import pytest

from stages.pictures.load import load_picture
from stages.pictures.store import storable
from tests.stages.pictures.made import drawn, encoded


@pytest.mark.parametrize(("format_", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")])
def test_usual_formats_stay_as_they_are(format_: str, suffix: str) -> None:
    data = encoded(drawn(20, 10), format_)
    assert storable(data, load_picture(data)) == (data, suffix)


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_become_png_with_the_same_pixels(format_: str) -> None:
    image = load_picture(encoded(drawn(20, 10), format_))
    data, suffix = storable(encoded(drawn(20, 10), format_), image)
    assert suffix == "png"
    assert load_picture(data).tobytes() == image.tobytes()
