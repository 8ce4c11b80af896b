"""Likeness: copies in other sizes and formats are near; another colour, another picture and a flat one are not."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from stages.pictures.likeness import MAX_BITS, Likeness, fingerprint
from tests.stages.pictures.made import drawn, encoded


def flag(left: str, right: str) -> Image.Image:
    image = Image.new("RGB", (120, 80), left)
    ImageDraw.Draw(image).rectangle((60, 0, 120, 80), right)
    return image


def test_copies_are_near_whatever_their_size_and_format() -> None:
    image = drawn(320, 240, 3)
    known = Likeness([fingerprint(image), fingerprint(drawn(320, 240, 4))])
    assert known.nearest(fingerprint(image)) == 0
    for copy in (image.resize((80, 60)), Image.open(io.BytesIO(encoded(image.resize((500, 375)), "JPEG", quality=60)))):
        bits = known.nearest(fingerprint(copy))
        assert bits is not None
        assert bits <= MAX_BITS


def test_other_pictures_are_not_near() -> None:
    known = Likeness(fingerprint(drawn(320, 240, seed)) for seed in range(20))
    assert [known.nearest(fingerprint(drawn(320, 240, seed))) for seed in range(20, 60)] == [None] * 40


def test_the_same_pattern_in_other_colours_is_another_picture() -> None:
    known = Likeness([fingerprint(flag("red", "white")), fingerprint(Image.new("RGB", (9, 9), "blue"))])
    assert known.nearest(fingerprint(flag("red", "white"))) == 0
    assert known.nearest(fingerprint(flag("green", "white"))) is None
    assert known.nearest(fingerprint(Image.new("RGB", (9, 9), "black"))) is None


def test_nothing_is_near_to_no_pictures() -> None:
    assert Likeness([]).nearest(fingerprint(drawn(9, 9))) is None
