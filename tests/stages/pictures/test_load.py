"""Loading: every mode and orientation has its right pixels, and every file that is no picture has a reason."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from PIL import Image

from stages.formats.chat.rejects import Reject
from stages.pictures.load import REASONS, Bounds, load_picture, read_bytes
from tests.stages.pictures.made import broken_files, drawn, encoded, png

STAMPS = Path("/usr/share/tuxpaint/stamps")


def first_pixel(data: bytes) -> tuple[int, int, int]:
    image = load_picture(data)
    assert image.mode == "RGB"
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel  # type: ignore[return-value]


def palette(**options: object) -> bytes:
    image = Image.new("P", (4, 4), 3)
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 200, 100, 50] + [0] * 744)
    return encoded(image, **options)


@pytest.mark.parametrize(
    ("data", "pixel"),
    [
        (encoded(Image.new("1", (4, 4), 1)), (255, 255, 255)),
        (encoded(Image.new("L", (4, 4), 7)), (7, 7, 7)),
        (encoded(Image.new("LA", (4, 4), (7, 255))), (7, 7, 7)),
        (encoded(Image.new("LA", (4, 4), (7, 0))), (255, 255, 255)),
        (palette(), (200, 100, 50)),
        (palette(transparency=3), (255, 255, 255)),
        (palette(transparency=bytes([255, 255, 255, 0])), (255, 255, 255)),
        (encoded(Image.new("PA", (4, 4)), "TIFF"), (255, 255, 255)),
        (encoded(Image.new("RGB", (4, 4), (1, 2, 3))), (1, 2, 3)),
        (encoded(Image.new("RGB", (4, 4), (9, 8, 7)), transparency=(9, 8, 7)), (255, 255, 255)),
        (encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))), (255, 255, 255)),
        (encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128))), (255, 127, 127)),
        (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        (encoded(Image.new("I;16", (4, 4), 32767)), (127, 127, 127)),
        (encoded(Image.new("I;16", (4, 4), 32767), "TIFF"), (127, 127, 127)),
        (encoded(Image.new("I;16", (4, 4), 9), transparency=9), (255, 255, 255)),
        (encoded(Image.new("I", (4, 4), 32767), "TIFF"), (127, 127, 127)),
        (encoded(Image.new("I", (4, 4), 100), "TIFF"), (100, 100, 100)),
        (encoded(Image.new("F", (4, 4), 0.5), "TIFF"), (128, 128, 128)),
        (encoded(Image.new("F", (4, 4), 128.0), "TIFF"), (128, 128, 128)),
        (encoded(Image.new("F", (4, 4), float("nan")), "TIFF"), (0, 0, 0)),
    ],
)
def test_every_mode_has_its_right_colour_over_white(data: bytes, pixel: tuple[int, int, int]) -> None:
    assert first_pixel(data) == pixel


def test_jpegs_of_four_colours_are_not_inverted() -> None:
    red, green, blue = first_pixel(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_another_background_shows_where_the_picture_is_transparent() -> None:
    data = encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))
    assert load_picture(data, background=(122, 116, 104)).getpixel((0, 0)) == (122, 116, 104)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_orientations_are_turned_upright(format_: str) -> None:
    bar = Image.new("RGB", (24, 16))
    bar.paste((255, 255, 255), (0, 0, 4, 16))
    edges = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = load_picture(encoded(bar, format_, exif=exif)).convert("L")
        assert image.size == ((24, 16) if orientation < 5 else (16, 24))
        width, height = image.size
        places = {
            "left": (0, height // 2),
            "right": (width - 1, height // 2),
            "top": (width // 2, 0),
            "bottom": (width // 2, height - 1),
        }
        edges.append(max(places, key=lambda name: float(image.getpixel(places[name]))))  # type: ignore[arg-type]
    assert edges == ["left", "right", "right", "left", "top", "top", "bottom", "bottom"]


def test_an_orientation_that_does_not_exist_or_cannot_be_read_leaves_the_picture_as_it_is() -> None:
    for value in (0, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        assert load_picture(encoded(Image.new("RGB", (24, 16)), "JPEG", exif=exif)).size == (24, 16)
    assert load_picture(encoded(Image.new("RGB", (24, 16)), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff")).size == (24, 16)


def test_of_an_animation_the_first_frame_is_loaded() -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    for format_ in ("GIF", "PNG", "TIFF"):
        assert first_pixel(encoded(frames[0], format_, save_all=True, append_images=frames[1:])) == (255, 0, 0)


def test_forty_broken_files_each_have_their_reason_and_memory_stays_small() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = broken_files()
    found = {}
    for name, (data, _) in files.items():
        with pytest.raises(Reject) as caught:
            load_picture(data)
        found[name] = caught.value.reason
    assert len(files) == 40
    assert found == {name: reason for name, (_, reason) in files.items()}
    assert set(found.values()) <= set(REASONS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_bounds_are_checked_before_anything_is_decoded() -> None:
    with pytest.raises(Reject, match="too_many_pixels"):
        load_picture(png(101, 100), bounds=Bounds(max_pixels=10_000))
    with pytest.raises(Reject, match="too_many_bytes"):
        load_picture(encoded(drawn(30, 30)), bounds=Bounds(max_bytes=100))


def test_surplus_pixels_of_a_png_are_never_inflated() -> None:
    assert load_picture(png(4, 4, pixels=bytes(64 << 20))).size == (4, 4)


def test_a_name_that_is_no_file_is_a_reject_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(11))
    names = {
        "pipe": "not_a_file",
        ".": "not_a_file",
        "a\nb": "missing_file",
        "a\0b": "missing_file",
        "x" * 300: "missing_file",
    }
    for name, reason in (names | {"large": "too_many_bytes"}).items():
        with pytest.raises(Reject, match=reason):
            read_bytes(tmp_path / name, Bounds(max_bytes=10))


@pytest.mark.skipif(not STAMPS.is_dir(), reason="Debian's tuxpaint-stamps-default is not installed")
def test_the_captioned_stamps_of_tuxpaint_are_read_in_full() -> None:
    captioned = [path for path in sorted(STAMPS.rglob("*.png")) if path.with_suffix(".txt").exists()]
    assert len(captioned) == 785
    for path in captioned:
        with Image.open(path) as stamp:
            size, over_white = stamp.size, Image.new("RGBA", stamp.size, "white")
            over_white.alpha_composite(stamp.convert("RGBA"))
        assert load_picture(path.read_bytes()).size == size
        assert load_picture(path.read_bytes()).tobytes() == over_white.convert("RGB").tobytes()
